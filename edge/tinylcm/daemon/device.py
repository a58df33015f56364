"""What the sync thread sees of the inference thread: orders go in by the inbox, figures come out of the vitals."""

from collections.abc import Sequence

from tinylcm.daemon.inbox import ActivateModel, ApplyFeedback, ChangeMode, Inbox
from tinylcm.daemon.vitals import Vitals
from tinylcm.records import FeedbackItem, Mode
from tinylcm.sync.local import DeviceReport


class DeviceSide:
    """The `LocalDevice` of a running daemon."""

    def __init__(self, inbox: Inbox, vitals: Vitals) -> None:
        self._inbox = inbox
        self._vitals = vitals

    def report(self) -> DeviceReport:
        """Returns counters and state."""
        return self._vitals.report()

    def deliver_feedback(self, items: Sequence[FeedbackItem]) -> bool:
        """Hands feedback to the pipeline; False when there is none yet, or its queue is full."""
        if self._vitals.running_model is None:
            return False
        return self._inbox.put_order(ApplyFeedback(items=tuple(items)))

    def change_mode(self, mode: Mode) -> None:
        """Makes the device work in another mode."""
        self._inbox.put_order(ChangeMode(mode=mode))

    def activate_model(self) -> None:
        """Says that a verified bundle waits in the idle slot."""
        self._inbox.put_order(ActivateModel())
