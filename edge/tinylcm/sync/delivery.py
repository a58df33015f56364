"""Empties the outbox: urgent drift events, packages by priority, answers to feedback.

What the server refuses for good never blocks what stands behind it: a message in a refused batch is sent alone and, if
it is the one refused, dropped with a line in the log; a package is kept aside.
"""

import logging
from collections.abc import Callable, Sequence

from tinylcm.ports import Message, MessageKind, Outbox, OutgoingPackage
from tinylcm.sync.client import Servers
from tinylcm.sync.failures import CallError, calling
from tinylcm.sync.upload import Uploader
from tinymlops.v1 import drift_pb2, drift_service_pb2, feedback_pb2, feedback_service_pb2

_LOGGER = logging.getLogger(__name__)
_BATCH = 100
_HOPELESS_REASONS = {"PACKAGE_TOO_LARGE", "PACKAGE_CONFLICT", "INVALID_FIELD", "MALFORMED_REQUEST"}


class Delivery:
    """Sends what waits in the outbox of one device.

    Args:
        answered: Called with the ids of feedback items whose answers arrived.
    """

    def __init__(
        self,
        servers: Servers,
        outbox: Outbox,
        uploader: Uploader,
        *,
        device_id: str,
        timeout_s: float,
        answered: Callable[[Sequence[str]], None],
    ) -> None:
        self._servers = servers
        self._outbox = outbox
        self._uploader = uploader
        self._device_id = device_id
        self._timeout_s = timeout_s
        self._answered = answered

    def report_drift_events(self) -> None:
        """Reports urgent drift events directly; their packages bring the same ids later.

        Raises:
            CallError: The link broke; what was not reported waits.
        """
        self._send_messages(MessageKind.DRIFT_EVENT, self._report)

    def acknowledge_feedback(self) -> None:
        """Sends answers to feedback items.

        Raises:
            CallError: The link broke; what was not sent waits.
        """
        self._send_messages(MessageKind.ACKNOWLEDGEMENT, self._acknowledge)

    def upload_packages(self) -> None:
        """Uploads packages, most urgent first, until none is left or the link breaks.

        Raises:
            CallError: The link broke, the server asks to wait or does not know the device.
        """
        refused: list[str] = []
        while (package := self._outbox.next_package(skipping=refused)) is not None:
            try:
                self._upload(package)
            except CallError as error:
                if not error.is_refusal or error.reason == "DEVICE_NOT_FOUND":
                    raise
                self._take_refusal(package, error)
                refused.append(package.package_id)

    def _upload(self, package: OutgoingPackage) -> None:
        self._outbox.note_attempt(package.package_id)
        try:
            if not self._outbox.is_whole(package):
                self._outbox.set_aside(package.package_id, "its file is damaged")
                return
            self._uploader.send(package, self._outbox.content_path(package.package_id))
        except FileNotFoundError:
            _LOGGER.debug("package %s was evicted before it could be sent", package.package_id)
        self._outbox.remove_package(package.package_id)

    def _take_refusal(self, package: OutgoingPackage, error: CallError) -> None:
        _LOGGER.warning("package %s was refused: %s", package.package_id, error)
        if error.reason == "DIGEST_MISMATCH":
            self._outbox.note_attempt(package.package_id, mismatched=True)
        if error.reason in _HOPELESS_REASONS or package.mismatch_count > 0:
            self._outbox.set_aside(package.package_id, error.reason)

    def _send_messages(self, kind: MessageKind, send: Callable[[Sequence[Message]], None]) -> None:
        while messages := self._outbox.messages(kind, _BATCH):
            try:
                send(messages)
            except CallError as error:
                if not error.is_refusal:
                    raise
                self._send_one_by_one(messages, send)
            self._outbox.remove_messages([message.sequence for message in messages])

    def _send_one_by_one(
        self, messages: Sequence[Message], send: Callable[[Sequence[Message]], None]
    ) -> None:
        for message in messages:
            try:
                send([message])
            except CallError as error:
                if not error.is_refusal:
                    raise
                _LOGGER.error("a message is dropped, the server refuses it: %s", error)
            self._outbox.remove_messages([message.sequence])

    def _report(self, messages: Sequence[Message]) -> None:
        events = [drift_pb2.DriftEvent.FromString(message.content) for message in messages]
        with calling("ReportDriftEvents"):
            self._servers.drift.ReportDriftEvents(
                drift_service_pb2.ReportDriftEventsRequest(drift_events=events), timeout=self._timeout_s
            )

    def _acknowledge(self, messages: Sequence[Message]) -> None:
        answers = [feedback_pb2.FeedbackAcknowledgement.FromString(message.content) for message in messages]
        request = feedback_service_pb2.AcknowledgeFeedbackRequest(
            device_id=self._device_id, acknowledgements=answers
        )
        with calling("AcknowledgeFeedback"):
            self._servers.feedback.AcknowledgeFeedback(request, timeout=self._timeout_s)
        self._answered([answer.feedback_id for answer in answers])
