"""How a device takes a new model: it asks, downloads, tries, keeps or returns, and reports each step."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import grpc

from tinymlops.v1 import rollout_pb2, rollout_service_pb2
from tinysphere.simulator.script.chance import chance
from tinysphere.simulator.script.device import Device
from tinysphere.simulator.script.faults import FaultKind
from tinysphere.simulator.script.scenario import Updates
from tinysphere.simulator.wire.caller import TIMEOUT_S, Caller
from tinysphere.simulator.wire.failures import CallError
from tinysphere.simulator.wire.methods import CHECK_UPDATE, DOWNLOAD_ARTIFACT, REPORT_DEPLOYMENT

_PREPARING = (
    rollout_pb2.DEPLOYMENT_STATE_VERIFIED,
    rollout_pb2.DEPLOYMENT_STATE_STAGED,
    rollout_pb2.DEPLOYMENT_STATE_TRIAL,
)
_WITHDRAWN = (grpc.StatusCode.FAILED_PRECONDITION.name, grpc.StatusCode.NOT_FOUND.name)


@dataclass(slots=True)
class _Download:
    """A bundle in the idle slot, as far as it came; it survives power cuts."""

    sha256: str = ""
    size_bytes: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    is_whole: bool = False


class Updater:
    """Follows the rollouts of one device."""

    def __init__(self, device: Device, caller: Caller, scenario: Updates) -> None:
        self.next_check_s = (
            caller.pace.now_s() + scenario.check_every_s if scenario.check_every_s else float("inf")
        )
        self._device = device
        self._caller = caller
        self._scenario = scenario
        self._handled_mark = 0
        self._is_following = False
        self._unreported: rollout_pb2.Deployment | None = None
        self._over: set[str] = set()
        self._download = _Download()
        self._attempt = 0

    def is_due(self, update_mark: int) -> bool:
        """Whether to ask."""
        return update_mark > self._handled_mark or self._caller.pace.now_s() >= self.next_check_s

    def is_settled(self, update_mark: int) -> bool:
        """Whether nothing that the device was told of is still to be done."""
        is_idle = not self._is_following and self._unreported is None
        return is_idle and update_mark <= self._handled_mark

    async def check(self) -> None:
        """Asks, and follows an offer to its end.

        Raises:
            CallError: A call failed; ask again later.
        """
        await self._tell()
        self._attempt += 1
        request = rollout_service_pb2.CheckUpdateRequest(
            device_id=self._device.plan.device_id, running_model=self._device.running_model
        )
        reply = await self._caller.call(CHECK_UPDATE, request, self._attempt)
        self._caller.tally.counts["update_checks"] += 1
        if reply.HasField("offer") and reply.offer.rollout_id not in self._over:
            self._is_following = True
            await self._follow(reply.offer)
        self._is_following = False
        self._handled_mark = max(self._handled_mark, reply.update_mark)
        if self._scenario.check_every_s:
            self.next_check_s = self._caller.pace.now_s() + self._scenario.check_every_s

    async def _follow(self, offer: rollout_pb2.UpdateOffer) -> None:
        device, counts = self._device, self._caller.tally.counts
        counts["updates_offered"] += 1
        await self._report(offer, rollout_pb2.DEPLOYMENT_STATE_DOWNLOADING)
        if self._scenario.download and not await self._fetch(offer):
            await self._report(
                offer, rollout_pb2.DEPLOYMENT_STATE_FAILED, "the digest of what came is another"
            )
            self._over.add(offer.rollout_id)
            return
        for state in _PREPARING:
            await self._report(offer, state)
        await self._caller.pace.sleep(self._scenario.trial_s)
        self._over.add(offer.rollout_id)
        dice = chance(device.plan.seed, device.plan.index, "trial", offer.rollout_id)
        if dice.random() < self._scenario.failure_share:
            counts["updates_rolled_back"] += 1
            state, reason = rollout_pb2.DEPLOYMENT_STATE_ROLLED_BACK, "worse than before on trial"
            await self._report(offer, state, reason)
        else:
            counts["updates_committed"] += 1
            device.running_model = offer.model
            await self._report(offer, rollout_pb2.DEPLOYMENT_STATE_COMMITTED)

    async def _fetch(self, offer: rollout_pb2.UpdateOffer) -> bool:
        """Downloads the rest of a bundle; whether its digest is right."""
        wanted = offer.model.bundle_sha256
        if self._download.sha256 != wanted:
            self._download = _Download(sha256=wanted)
        download = self._download
        while not download.is_whole:
            self._attempt += 1
            await self._fetch_some(download)
        if download.digest.hexdigest() == wanted:
            return True
        self._download = _Download()
        return False

    async def _fetch_some(self, download: _Download) -> None:
        """One attempt, from where the last one ended."""
        request = rollout_service_pb2.DownloadArtifactRequest(
            sha256=download.sha256, offset=download.size_bytes
        )
        async with self._caller.attempting(DOWNLOAD_ARTIFACT, download.sha256, self._attempt) as fault:
            begin = download.size_bytes
            call = self._caller.channels.download(DOWNLOAD_ARTIFACT)(request, timeout=TIMEOUT_S * 10)
            try:
                async for part in call:
                    if fault.kind is FaultKind.CUT and download.size_bytes - begin > fault.after_bytes:
                        raise await self._caller.break_link(fault)
                    if part.WhichOneof("part") == "header":
                        continue
                    await self._caller.spend(len(part.data))
                    download.digest.update(part.data)
                    download.size_bytes += len(part.data)
                    self._caller.tally.counts["bytes_downloaded"] += len(part.data)
            finally:
                call.cancel()
            download.is_whole = True

    async def _report(
        self, offer: rollout_pb2.UpdateOffer, state: "rollout_pb2.DeploymentState.ValueType", reason: str = ""
    ) -> None:
        """Tells a step. The report is durable: it is told again until it was taken."""
        self._unreported = rollout_pb2.Deployment(
            rollout_id=offer.rollout_id,
            device_id=self._device.plan.device_id,
            state=state,
            reason=reason,
            running_bundle_sha256=self._device.running_model.bundle_sha256,
        )
        await self._tell()

    async def _tell(self) -> None:
        """Reports what was not reported yet, if anything."""
        if self._unreported is None:
            return
        self._attempt += 1
        request = rollout_service_pb2.ReportDeploymentRequest(deployment=self._unreported)
        try:
            await self._caller.call(REPORT_DEPLOYMENT, request, self._attempt)
        except CallError as error:
            if error.code in _WITHDRAWN:
                self._over.add(self._unreported.rollout_id)
                self._unreported = None
            raise
        self._unreported = None
