"""Fetches judgements for the device.

There is no cursor that could be wrong: the server hands out what has no final answer, so asking from 0 is always
right, and items are few. An item is handed to the pipeline once and then left alone until its answer was sent; after
a restart it comes again, and the pipeline knows which items it has applied.
"""

import logging
from collections.abc import Sequence

from tinylcm.errors import InputError
from tinylcm.ports import Clock
from tinylcm.records import FeedbackItem
from tinylcm.sync import convert
from tinylcm.sync.client import Servers
from tinylcm.sync.failures import calling
from tinylcm.sync.local import LocalDevice
from tinymlops.v1 import feedback_pb2
from tinymlops.v1 import feedback_service_pb2 as wire

ASK_ANYWAY_S = 300.0

_LOGGER = logging.getLogger(__name__)
_PAGE = 100
_MAX_PENDING = 4096


class FeedbackFetcher:
    """Asks for feedback when a mark says that some waits, and once in a while without one."""

    def __init__(
        self,
        servers: Servers,
        device: LocalDevice,
        *,
        device_id: str,
        clock: Clock,
        timeout_s: float,
    ) -> None:
        self._stub = servers.feedback
        self._device = device
        self._device_id = device_id
        self._clock = clock
        self._timeout_s = timeout_s
        self._handled_mark = 0
        self._asked_s: float | None = None
        self._pending: set[str] = set()

    def fetch(self, mark: int) -> None:
        """Fetches what waits and hands it to the pipeline.

        Raises:
            CallError: The link broke; the same items come with the next call.
        """
        now_s = self._clock.monotonic_s()
        asked_lately = self._asked_s is not None and now_s - self._asked_s < ASK_ANYWAY_S
        if asked_lately and mark <= self._handled_mark:
            return
        if self._fetch_pages():
            self._handled_mark = mark
            self._asked_s = now_s

    def forget(self, feedback_ids: Sequence[str]) -> None:
        """The pipeline has answered these items; deferred ones may be handed over again."""
        self._pending.difference_update(feedback_ids)

    def _fetch_pages(self) -> bool:
        after_sequence = 0
        while True:
            request = wire.FetchFeedbackRequest(
                device_id=self._device_id, after_sequence=after_sequence, page_size=_PAGE
            )
            with calling("FetchFeedback"):
                page = self._stub.FetchFeedback(request, timeout=self._timeout_s)
            if not self._hand_over(page.items):
                return False
            if not page.has_more or not page.items:
                return True
            after_sequence = page.items[-1].sequence

    def _hand_over(self, messages: Sequence[feedback_pb2.FeedbackItem]) -> bool:
        fresh = [message for message in messages if message.feedback_id not in self._pending]
        items = [item for message in fresh if (item := _readable(message)) is not None]
        if not items:
            return True
        if len(self._pending) + len(items) > _MAX_PENDING or not self._device.deliver_feedback(items):
            return False
        self._pending.update(item.feedback_id for item in items)
        return True


def _readable(message: feedback_pb2.FeedbackItem) -> FeedbackItem | None:
    """An item this device cannot read stays undone at the server, for a newer TinyLCM to read."""
    try:
        item = convert.from_feedback_item(message)
    except InputError as error:
        _LOGGER.warning("feedback %s is not readable: %s", message.feedback_id, error)
        return None
    if item is None:
        _LOGGER.warning("feedback %s has decision %d, unknown here", message.feedback_id, message.decision)
    return item
