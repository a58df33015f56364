"""What reviewing follows, and the catalogue of labels: frozen facts, enums named as in `tinymlops.v1`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum


class VerdictPolicy(Enum):
    """How verdicts become a judgement."""

    ONE = "ONE"
    AGREEMENT = "AGREEMENT"
    ADJUDICATOR = "ADJUDICATOR"


class QueueOrder(Enum):
    """What comes first in the queue."""

    VALUE = "VALUE"
    OLDEST = "OLDEST"
    NEWEST = "NEWEST"
    DISTANCE = "DISTANCE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSettings:
    """What the reviewing of one deployment follows; the defaults are what a server starts with.

    Attributes:
        revision: Grows with every change.
        required_count: Equal verdicts that decide; 1 for ONE.
        reviewer_count: Reviewers asked at most, at least ``required_count``; 1 for ONE.
        adjudicators: Who decides disagreements under ADJUDICATOR.
        blind: Whether reviewers see others' verdicts on a sample only once it is JUDGED.
        lease_duration: How long a sample is kept for the reviewer who took it.
        reviewer: Who changed it last.
        update_time: When; None for the settings a server starts with.
    """

    revision: int = 0
    policy: VerdictPolicy = VerdictPolicy.ONE
    required_count: int = 1
    reviewer_count: int = 1
    adjudicators: tuple[str, ...] = ()
    blind: bool = True
    lease_duration: timedelta = timedelta(minutes=5)
    order: QueueOrder = QueueOrder.VALUE
    reviewer: str = "server"
    update_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One class name of the catalogue.

    Attributes:
        name: As people read it and devices learn it.
        aliases: Other names that stand for it.
        sample_count: Samples judged to have it.
        creator: A reviewer, or "model" for a class that a model came with.
    """

    name: str
    aliases: tuple[str, ...]
    sample_count: int
    creator: str
    create_time: datetime
