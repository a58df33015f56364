"""Brings model bundles to the device: asks, downloads, verifies, reports.

A download is appended to a file beside the idle slot, see `download`. Nothing is asked while a bundle waits to be
switched to or is on trial: the idle slot is then the way back.
"""

import logging
import math

import grpc

from tinylcm.errors import BundleError, StorageFullError
from tinylcm.ports import Clock, ModelSlots
from tinylcm.records import ModelReference
from tinylcm.settings import ServerSettings
from tinylcm.sync import convert
from tinylcm.sync.client import Servers
from tinylcm.sync.deployments import DeploymentLog, DeploymentRecord
from tinylcm.sync.download import Downloader
from tinylcm.sync.failures import CallError, calling
from tinylcm.sync.local import LocalDevice
from tinylcm.sync.pace import Pace
from tinymlops.v1 import rollout_pb2
from tinymlops.v1 import rollout_service_pb2 as wire

ASK_ANYWAY_S = 300.0

_LOGGER = logging.getLogger(__name__)
_WITHDRAWN_REASONS = {"ROLLOUT_NOT_FOUND", "DEPLOYMENT_NOT_OFFERED"}


class ModelFetcher:
    """Follows the rollouts that concern one device."""

    def __init__(
        self,
        servers: Servers,
        slots: ModelSlots,
        deployments: DeploymentLog,
        device: LocalDevice,
        *,
        device_id: str,
        clock: Clock,
        settings: ServerSettings,
    ) -> None:
        self._stub = servers.rollouts
        self._downloader = Downloader(
            servers.rollouts,
            stall_timeout_s=settings.stall_timeout_s,
            pace=Pace(settings.max_download_bytes_per_s, monotonic_s=clock.monotonic_s),
        )
        self._slots = slots
        self._deployments = deployments
        self._device = device
        self._device_id = device_id
        self._clock = clock
        self._settings = settings
        self._handled_mark = -1
        self._ask_again_s = -math.inf

    def follow(self, mark: int, *, may_replace: bool = True) -> None:
        """Reports what is unreported, and asks for a bundle when a mark says so or nothing was asked for long.

        Args:
            mark: Highest update mark heard of.
            may_replace: Whether the device's mode lets a bundle take the place of another; the first one always may.

        Raises:
            CallError: The link broke; the next call goes on where this one stopped.
        """
        self._report()
        if not may_replace and self._running() is not None:
            return
        record = self._deployments.read()
        if record is not None and record.is_settling:
            return
        if self._clock.monotonic_s() < self._ask_again_s and mark <= self._handled_mark:
            return
        answer = self._check_update()
        if answer.HasField("offer"):
            self._take(answer.offer)
        self._handled_mark = max(mark, self._handled_mark)
        self._ask_again_s = self._clock.monotonic_s() + _wait_s(answer)

    def _check_update(self) -> wire.CheckUpdateResponse:
        running = self._running()
        request = wire.CheckUpdateRequest(
            device_id=self._device_id,
            running_model=None if running is None else convert.to_model(running),
        )
        with calling("CheckUpdate"):
            response = self._stub.CheckUpdate(request, timeout=self._settings.request_timeout_s)
        self._handled_mark = max(self._handled_mark, response.update_mark)
        return response

    def _take(self, offer: rollout_pb2.UpdateOffer) -> None:
        record = self._deployments.read()
        if record is not None and record.is_about(offer.rollout_id, offer.attempt):
            if record.is_over:
                _LOGGER.debug("rollout %s is over on this device: %s", record.rollout_id, record.state)
                self._report(again=True)
                return
        else:
            model = offer.model
            self._deployments.begin(
                offer.rollout_id, model.bundle_sha256, model.version, attempt=offer.attempt
            )
        running = self._running()
        if running is not None and running.bundle_sha256 == offer.model.bundle_sha256:
            self._advance("COMMITTED")
        elif self._report() and self._advance("DOWNLOADING"):
            self._fetch(offer)

    def _fetch(self, offer: rollout_pb2.UpdateOffer) -> None:
        try:
            path = self._slots.partial_file(offer.model.bundle_sha256)
            self._downloader.fetch(offer.model.bundle_sha256, offer.size_bytes, path)
            self._slots.stage(offer.model.bundle_sha256, version=offer.model.version)
        except BundleError as error:
            _LOGGER.error("the bundle of rollout %s is refused: %s", offer.rollout_id, error)
            self._advance("REJECTED", str(error))
        except (StorageFullError, OSError) as error:
            _LOGGER.error("the bundle of rollout %s cannot be stored: %s", offer.rollout_id, error)
            self._advance("FAILED", str(error))
        except CallError as error:
            if error.reason != "ARTIFACT_NOT_FOUND":
                raise
            _LOGGER.warning("the bundle of rollout %s was withdrawn", offer.rollout_id)
            self._deployments.forget()
        else:
            self._deployments.advance("VERIFIED")
            self._report_politely()
            self._deployments.advance("STAGED")
            self._device.activate_model()
            self._report_politely()

    def _advance(self, state: str, reason: str = "") -> bool:
        """Notes and reports a state; False when the rollout is no longer meant for this device."""
        self._deployments.advance(state, reason)
        return self._report()

    def _report_politely(self) -> None:
        """Once a bundle is there, a report that does not get through must not keep the device from using it."""
        try:
            self._report()
        except CallError as error:
            _LOGGER.debug("a deployment report waits: %s", error)

    def _report(self, *, again: bool = False) -> bool:
        """Reports what is unreported, or ``again``; False when the rollout is no longer meant for this device."""
        record = self._deployments.read()
        if record is None or (record.is_reported and not again):
            return record is not None
        try:
            self._send_report(record)
        except CallError as error:
            if error.reason in _WITHDRAWN_REASONS:
                _LOGGER.warning("rollout %s is no longer meant for this device", record.rollout_id)
                self._deployments.forget()
                return False
            if error.code is not grpc.StatusCode.INVALID_ARGUMENT:
                raise
            _LOGGER.error("a deployment report is dropped: %s", error)
        self._deployments.mark_reported(record)
        return True

    def _send_report(self, record: DeploymentRecord) -> None:
        running = self._running()
        deployment = rollout_pb2.Deployment(
            rollout_id=record.rollout_id,
            device_id=self._device_id,
            state=rollout_pb2.DeploymentState.Value(f"DEPLOYMENT_STATE_{record.state}"),
            reason=record.reason,
            running_bundle_sha256="" if running is None else running.bundle_sha256,
            attempt=record.attempt,
        )
        with calling("ReportDeployment"):
            self._stub.ReportDeployment(
                wire.ReportDeploymentRequest(deployment=deployment), timeout=self._settings.request_timeout_s
            )

    def _running(self) -> ModelReference | None:
        return self._device.report().running_model


def _wait_s(answer: wire.CheckUpdateResponse) -> float:
    """Seconds until the server is asked again although no mark says so."""
    if not answer.HasField("retry_after"):
        return ASK_ANYWAY_S
    return min(ASK_ANYWAY_S, max(1.0, answer.retry_after.ToTimedelta().total_seconds()))
