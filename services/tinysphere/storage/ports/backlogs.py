"""What backlogs of feedback need of their store. The drift process is the only writer behind it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tinysphere.domain.backlogs import FeedbackBacklog

BacklogKey = tuple[datetime | None, str]
"""When the oldest item not done was made, None when there is none, and the device."""


class BacklogSteps(Protocol):
    """Counts feedback where it is made and answered; rows are locked after those of events."""

    def add_waiting(self, counts: Mapping[str, int], *, now: datetime) -> None:
        """Counts items made, by device."""

    def lock(self, device_id: str) -> FeedbackBacklog:
        """Returns a device's backlog, which stays as it is until the transaction ends."""

    def put(self, backlog: FeedbackBacklog) -> None:
        """Stores a locked backlog, and looks up which item is the oldest now."""


class BacklogStore(Protocol):
    """What became of each device's feedback; each method is one transaction."""

    def page(self, *, after: BacklogKey | None, limit: int) -> Sequence[FeedbackBacklog]:
        """Those with the oldest item that is not done first; devices with nothing to do follow, by id."""

    def note_contact(self, device_id: str, *, now: datetime) -> None:
        """Keeps when a device asked for its feedback; contacts soon after another are not kept."""
