"""Runs a device: five threads, a slow beat, and an orderly end.

Threads: *source* reads frames, *inference* owns the pipeline, *adapting* computes what it may learn, *disk* writes
checkpoints and predictions for it, *sync* talks to the servers. The main thread waits for signals and, now and then,
puts metrics into the outbox. If the inference thread fails the device ends with status 1, for its supervisor to start
it again from the last checkpoint; whatever happens in the sync thread, it goes on.
"""

import logging
import signal
import sys
import threading
from typing import TYPE_CHECKING

from tinylcm.adapters.systemd import Supervisor
from tinylcm.daemon.build import Device, build_device
from tinylcm.daemon.layout import Layout
from tinylcm.daemon.lock import sole_use
from tinylcm.daemon.logs import RecentWarnings
from tinylcm.daemon.machine import machine_figures
from tinylcm.daemon.memory import return_free_memory
from tinylcm.daemon.pulse import Pulse
from tinylcm.daemon.starts import HEALTHY_S
from tinylcm.errors import StorageFullError
from tinylcm.settings import Settings

if TYPE_CHECKING:
    from tinylcm.sync.session import Session

_LOGGER = logging.getLogger(__name__)
_LOOK_S = 0.5
_STOP_S = {"inference": 40.0, "sync": 10.0, "source": 1.0}
"""How long the end waits for a thread: an adaptation must be saved, a hung camera holds nothing."""
_AFTER_BUG_S = 5.0
_SWITCH_INTERVAL_S = 0.001
"""Longest that another thread keeps the interpreter while a frame waits for it; Python's default is five times that."""


class Service:
    """One run of a device."""

    def __init__(
        self, settings: Settings, recent_warnings: RecentWarnings, supervisor: Supervisor | None = None
    ) -> None:
        self._settings = settings
        self._recent_warnings = recent_warnings
        self._supervisor = supervisor or Supervisor()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._error: BaseException | None = None

    def stop(self) -> None:
        """Ends the run in order; safe from any thread and from signal handlers."""
        self._stopping.set()

    def run(self, *, until_idle: bool = False) -> int:
        """Runs until `stop`, or ``until_idle`` until the source has ended and all was sent; returns a status.

        Raises:
            TinyLcmError: Another daemon uses the data folder, or the device cannot be built.
        """
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        with sole_use(Layout(data_dir=self._settings.device.data_dir).lock):
            device = build_device(self._settings, stopping=self._stopping, wake=self._wake)
            return_free_memory()  # the bundle was read in larger pieces than are kept
            threads = self._start(device)
            self._supervisor.ready(_status(device))
            try:
                self._watch(device, until_idle=until_idle)
            finally:
                self._end(device, threads)
        return 1 if self._error is not None else 0

    def _start(self, device: Device) -> list[threading.Thread]:
        threads = [
            threading.Thread(target=self._infer, args=(device,), name="inference"),
            threading.Thread(
                target=device.feeder.run, args=(device.first_index,), name="source", daemon=True
            ),
        ]
        if device.connection is not None:
            threads.append(
                threading.Thread(target=self._sync, args=(device.connection.session,), name="sync")
            )
        for thread in threads:
            thread.start()
        _LOGGER.info("device %s runs from frame %d", self._settings.device.device_id, device.first_index)
        return threads

    def _watch(self, device: Device, *, until_idle: bool) -> None:
        started_s = device.clock.monotonic_s()
        every_s, closed_s = self._settings.metrics.every_s, started_s
        pulse = Pulse(self._supervisor, device.clock)
        while not self._stopping.wait(_LOOK_S):
            now_s = device.clock.monotonic_s()
            pulse.feed(device.inference.step_count, lambda: _status(device))
            if now_s - started_s >= HEALTHY_S:
                device.starts.survived()
            if now_s - closed_s >= every_s:
                self._close_minute(device, now_s - closed_s)
                closed_s = now_s
            if until_idle and _is_idle(device):
                return

    def _infer(self, device: Device) -> None:
        try:
            device.inference.run()
        except BaseException as error:
            _LOGGER.critical("the inference thread failed", exc_info=error)
            self._error = error
            self.stop()

    def _sync(self, session: "Session") -> None:
        while not self._stopping.is_set():
            try:
                wait_s = session.round()
            except Exception:
                if self._stopping.is_set():
                    return  # the channels were closed under it
                _LOGGER.exception("a round with the servers failed; the device goes on")
                wait_s = _AFTER_BUG_S
            self._wake.wait(wait_s)
            self._wake.clear()

    def _close_minute(self, device: Device, period_s: float) -> None:
        figures = machine_figures(self._settings.device.data_dir)
        figures["outbox.withheld_sample_count"] = device.ration.withheld_count
        figures["failed_start_count"] = device.starts.failed_count
        metrics = device.vitals.close_minute(
            device.clock.now(), device.outbox.totals(), period_s=period_s, others=figures
        )
        lines = self._recent_warnings.take()
        model = device.vitals.running_model
        if model is None:
            return
        packages = [device.packer.metrics(metrics, model)]
        if lines:
            packages.append(device.packer.logs(lines, model))
        try:
            device.outbox.sweep()
            device.outbox.put(packages)
        except StorageFullError as error:
            _LOGGER.warning("the metrics of a period are given up: %s", error)
        self._wake.set()
        return_free_memory()

    def _end(self, device: Device, threads: list[threading.Thread]) -> None:
        self.stop()
        self._supervisor.stopping()
        device.inbox.close()
        self._wake.set()
        if device.connection is not None:
            device.connection.servers.close()
        for thread in threads:
            thread.join(_STOP_S[thread.name])
        for helper in (device.adapting, device.disk):
            helper.shutdown(wait=self._error is None)
        if self._error is None:
            device.starts.survived()
        device.outbox.close()
        _LOGGER.info("device %s ended", self._settings.device.device_id)


def stop_on_signals(service: Service) -> None:
    """Makes SIGTERM and SIGINT end the run in order."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())


def _status(device: Device) -> str:
    model, counters = device.vitals.running_model, device.vitals.counters
    name = "no model yet" if model is None else f"bundle {model.bundle_sha256[:12]}"
    return f"{name}, {counters.predictions} predictions, {counters.drift_events} drift events"


def _is_idle(device: Device) -> bool:
    if not device.feeder.is_finished or not device.inbox.is_empty or device.inference.is_adapting:
        return False
    totals = device.outbox.totals()
    return device.connection is None or (totals.package_count == 0 and totals.message_count == 0)
