"""Packages of any size, each with one drift event and a few measurements, so that their effect can be counted."""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import dataclass

from tests.tinysphere.ingestion import builders

LEAST_BYTES, MOST_BYTES = 10 << 10, 20 << 20
METRIC_COUNT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What has to arrive."""

    package_id: str
    drift_event_id: str
    size_bytes: int
    sha256: str


def draw_size(rng: random.Random, most_bytes: int = MOST_BYTES) -> int:
    """`LEAST_BYTES` to ``most_bytes``, every order of magnitude as likely as another."""
    return round(math.exp(rng.uniform(math.log(LEAST_BYTES), math.log(most_bytes))))


def make_package(rng: random.Random, size_bytes: int, *, with_event: bool = True) -> tuple[Made, bytes]:
    """A package of about that size, and its bytes; without its event it needs no drift service."""
    event = builders.drift_event()
    entries = [
        ("drift_events.pb", builders.DRIFT_EVENTS, builders.delimited([event])),
        ("metrics.pb", builders.METRICS, builders.delimited([builders.metric_point()] * METRIC_COUNT)),
        ("state.bin", builders.MODEL_STATE, rng.randbytes(size_bytes)),
    ]
    descriptor, content = builders.packed(entries if with_event else entries[1:])
    made = Made(
        package_id=descriptor.package_id,
        drift_event_id=event.drift_event_id,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return made, content
