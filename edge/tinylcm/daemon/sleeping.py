"""The device as its sending side sees it while no daemon runs: it has a model, counts nothing and takes nothing."""

from collections.abc import Sequence

from tinylcm.adapters.slots import BundleSlots
from tinylcm.daemon.engine import reference
from tinylcm.daemon.machine import resident_bytes
from tinylcm.records import FeedbackItem, Mode
from tinylcm.sync.local import DeviceReport


class SleepingDevice:
    """The `LocalDevice` of a command."""

    def __init__(self, slots: BundleSlots) -> None:
        bundle = slots.active()
        self._model = None if bundle is None else reference(bundle, slots.version_of(bundle.bundle_sha256))

    def report(self) -> DeviceReport:
        """Returns the model that the daemon will run, and zeros."""
        return DeviceReport(
            running_model=self._model,
            prediction_count=0,
            drift_event_count=0,
            adaptation_count=0,
            drifting=False,
            quarantine_count=0,
            latency_ms=0.0,
            memory_bytes=resident_bytes(),
        )

    def deliver_feedback(self, items: Sequence[FeedbackItem]) -> bool:
        """Leaves it at the server."""
        return False

    def change_mode(self, mode: Mode) -> None:
        """Does nothing: the next start reads the mode from the outbox."""

    def activate_model(self) -> None:
        """Does nothing: the next start looks into the slots."""
