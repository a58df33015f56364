"""Sends what waits in the outbox while no daemon runs, and shows how far it has come."""

import logging
import random
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TextIO

from tinylcm.adapters.outbox import SqliteOutbox
from tinylcm.daemon.connection import Connection, connect
from tinylcm.daemon.layout import Layout, open_outbox, open_slots
from tinylcm.daemon.lock import sole_use
from tinylcm.daemon.progress import ProgressBar
from tinylcm.daemon.sleeping import SleepingDevice
from tinylcm.errors import SettingsError
from tinylcm.ports import Clock, MessageKind, OutboxTotals
from tinylcm.settings import Settings
from tinylcm.sync.backoff import Backoff
from tinylcm.sync.boots import Boots
from tinylcm.sync.deployments import DeploymentLog
from tinylcm.sync.failures import CallError
from tinylcm.sync.tally import Progress, TransferTally

_LOGGER = logging.getLogger(__name__)
_LONGEST_WAIT_S = 5.0
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushOutcome:
    """What was sent and what is left; `fault` says why something is, and is empty when nothing is."""

    sent_package_count: int
    sent_bytes: int
    refused_package_count: int
    left_package_count: int
    left_message_count: int
    fault: str
    status: int


def flush(settings: Settings, clock: Clock, *, patience_s: float, progress_to: TextIO) -> FlushOutcome:
    """Sends everything that may be sent; what the server acknowledged stays so whenever this ends.

    Args:
        patience_s: How long to try without progress.
        progress_to: Where the bar is drawn.

    Raises:
        SettingsError: The device has no server.
        TinyLcmError: A daemon uses the data folder.
    """
    if settings.server is None:
        raise SettingsError("there is no section [server]: the device works alone")
    layout, tally = Layout(data_dir=settings.device.data_dir), TransferTally()
    with sole_use(layout.lock), closing(open_outbox(settings, clock)) as outbox:
        slots, before = open_slots(settings), outbox.totals()
        device = SleepingDevice(slots)
        connection = connect(
            settings,
            settings.server,
            outbox=outbox,
            slots=slots,
            deployments=DeploymentLog(outbox),
            device=device,
            tally=tally,
            boots=Boots(clock.new_id(), device.report, tally),
            clock=clock,
        )
        with (
            connection.servers,
            ProgressBar(before.size_bytes, "bytes", stream=progress_to, clock=clock) as bar,
        ):
            fault = Flush(connection, outbox, bar, clock, patience_s=patience_s).run()
        return _outcome(before, outbox.totals(), tally, fault)


class Flush:
    """Repeats until nothing is left that may be sent, or nothing has moved for too long."""

    def __init__(
        self,
        connection: Connection,
        outbox: SqliteOutbox,
        bar: ProgressBar,
        clock: Clock,
        *,
        patience_s: float,
    ) -> None:
        self._connection = connection
        self._outbox = outbox
        self._bar = bar
        self._clock = clock
        self._patience_s = patience_s
        self._backoff = Backoff(most_s=_LONGEST_WAIT_S, rng=random.Random())
        self._moved_s = clock.monotonic_s()
        self._acknowledged: dict[str, int] = {}
        connection.uploader.on_progress = self._take

    def run(self) -> str:
        """Returns why it gave up, or nothing."""
        before: object = None
        try:
            while (waiting := self._waiting()) and waiting != before:
                before = waiting
                self._send()
        except CallError as error:
            return str(error)
        except KeyboardInterrupt:
            return "interrupted"
        return "the server refuses it" if waiting else ""

    def _send(self) -> None:
        """One pass over everything, however often the link breaks; raises what broke it when patience is over."""
        connection = self._connection
        while True:
            try:
                connection.contact.keep()
                connection.delivery.report_drift_events()
                connection.delivery.upload_packages()
                connection.delivery.acknowledge_feedback()
            except CallError as error:
                _LOGGER.debug("not yet: %s", error)
                if error.reason == "DEVICE_NOT_FOUND":
                    connection.contact.forget_registration()
                wait_s = self._backoff.next_wait_s(at_least_s=error.wait_s)
                if self._clock.monotonic_s() + wait_s - self._moved_s > self._patience_s:
                    raise
                time.sleep(wait_s)
            else:
                return

    def _waiting(self) -> tuple[str, ...]:
        """The next package and the next messages; what is staged waits for the device's next start."""
        package = self._outbox.next_package()
        messages = [one for kind in MessageKind for one in self._outbox.messages(kind, 1)]
        sequences = tuple(str(message.sequence) for message in messages)
        return sequences if package is None else (package.package_id, str(package.mismatch_count), *sequences)

    def _take(self, progress: Progress) -> None:
        """Moves the bar by what is new; a package that begins anew moves nothing back."""
        known = self._acknowledged.get(progress.package_id, 0)
        if progress.acknowledged_bytes > known:
            self._acknowledged[progress.package_id] = progress.acknowledged_bytes
            self._moved_s = self._clock.monotonic_s()
            self._backoff.reset()
            self._bar.advance(f"package {len(self._acknowledged)}", by=progress.acknowledged_bytes - known)


def _outcome(before: OutboxTotals, after: OutboxTotals, tally: TransferTally, fault: str) -> FlushOutcome:
    refused_count = before.package_count - tally.package_count - after.package_count
    if refused_count > 0 and not fault:
        fault = "some packages are kept aside, see the log"
    return FlushOutcome(
        sent_package_count=tally.package_count,
        sent_bytes=tally.acknowledged_bytes,
        refused_package_count=max(refused_count, 0),
        left_package_count=after.package_count,
        left_message_count=after.message_count,
        fault=fault,
        status=_INTERRUPTED if fault == "interrupted" else int(bool(fault)),
    )
