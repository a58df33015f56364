"""The device as its sending side sees it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tinylcm.records import FeedbackItem, Mode, ModelReference


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReport:
    """What a heartbeat says of the pipeline: counters of this boot and the state of the moment.

    `running_model` is None while the device waits for its first model; `latency_ms` is the mean of the last
    minute, 0 when nothing was predicted; `memory_bytes` is 0 when unknown.
    """

    running_model: ModelReference | None
    prediction_count: int
    drift_event_count: int
    adaptation_count: int
    drifting: bool
    quarantine_count: int
    latency_ms: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceIdentity:
    """What a device says of itself at registration. `location` is latitude and longitude in degrees."""

    device_id: str
    display_name: str
    labels: dict[str, str]
    location: tuple[float, float] | None
    mode: Mode
    machine: str
    operating_system: str
    python_version: str
    runtime: str
    tinylcm_version: str
    memory_bytes: int


class LocalDevice(Protocol):
    """What the sync thread may ask of the rest of the device; every method returns at once."""

    def report(self) -> DeviceReport:
        """Returns counters and state."""

    def deliver_feedback(self, items: Sequence[FeedbackItem]) -> bool:
        """Hands feedback to the pipeline; False when its queue is full, and nothing was taken."""

    def change_mode(self, mode: Mode) -> None:
        """Makes the device work in another mode."""

    def activate_model(self) -> None:
        """Says that a verified bundle waits in the idle slot."""
