"""The whole server in memory behind the contract's generated servicers, on real gRPC.

It keeps the contract's promises towards one device, counts what it was asked, and breaks when a test tells it to.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import google_crc32c
import grpc
from google.protobuf.duration_pb2 import Duration

from tests.fakes.refusal import UNAVAILABLE, Refusal, Refusing
from tinymlops.v1 import (
    device_pb2,
    device_service_pb2,
    device_service_pb2_grpc,
    drift_pb2,
    drift_service_pb2,
    drift_service_pb2_grpc,
    feedback_pb2,
    feedback_service_pb2,
    feedback_service_pb2_grpc,
    ingestion_service_pb2,
    ingestion_service_pb2_grpc,
    package_pb2,
    rollout_pb2,
    rollout_service_pb2,
    rollout_service_pb2_grpc,
)

__all__ = ["CHUNK_BYTES", "COMMIT_BYTES", "UNAVAILABLE", "FakeSphere", "Refusal"]

COMMIT_BYTES = 64 << 10
CHUNK_BYTES = 16 << 10


@dataclass(slots=True)
class StoredUpload:
    """An upload and the bytes that are durable."""

    descriptor: package_pb2.PackageDescriptor
    upload_id: str
    content: bytearray = field(default_factory=bytearray)


class FakeSphere:
    """A server for devices; use as a context manager.

    Attributes:
        asked: Calls by method, refused ones included.
        packages: Contents of committed packages, by id.
        drift_events: By id, as reported directly.
        always_offer: Offers a bundle also to a device that runs it.
        feedback: Items made for the device, by id; `give_feedback` adds.
        answers: Every acknowledgement that arrived, in order.
        deployments: States reported for each rollout, in order.
        break_upload_after: Bytes after which each upload stream breaks, keeping its tail; None for never.
        break_download_after: Bytes after which each download breaks; None for never.
        stall_uploads: Uploads take bytes but are never answered.
        stall_downloads: Downloads send one chunk and then nothing, and stay open.
        spoil_receipt: Changes every receipt before it is sent.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.devices: dict[str, device_pb2.Device] = {}
        self.heartbeats: list[device_service_pb2.HeartbeatRequest] = []
        self.heartbeat_interval_s = 0.2
        self.mode = device_pb2.MODE_UNSPECIFIED
        self.packages: dict[str, bytes] = {}
        self.uploads: dict[str, StoredUpload] = {}
        self.drift_events: dict[str, drift_pb2.DriftEvent] = {}
        self.feedback: dict[str, feedback_pb2.FeedbackItem] = {}
        self.answers: list[feedback_pb2.FeedbackAcknowledgement] = []
        self.offer: rollout_pb2.UpdateOffer | None = None
        self.always_offer = False
        self.retry_after: Duration | None = None
        self.artifacts: dict[str, bytes] = {}
        self.deployments: defaultdict[str, list[str]] = defaultdict(list)
        self.download_offsets: list[int] = []
        self.break_upload_after: int | None = None
        self.break_download_after: int | None = None
        self.stall_uploads = False
        self.stall_downloads = False
        self.spoil_receipt: Callable[[package_pb2.Package], object] = lambda receipt: None
        self.received_bytes = 0
        self._refusals: defaultdict[str, list[Refusal]] = defaultdict(list)
        self._changed = threading.Condition()
        self._server: grpc.Server | None = None
        self.port = 0

    @property
    def address(self) -> str:
        """Where it listens; the same after `stop` and `start`."""
        return f"127.0.0.1:{self.port}"

    def refuse(self, method: str, refusal: Refusal, *, times: int = 1) -> None:
        """Answers the next calls of a method so."""
        self._refusals[method] += [refusal] * times

    def give_feedback(self, device_id: str, sample: drift_pb2.Sample, *, decision: int, label: str) -> str:
        """Makes a feedback item as a verdict would; returns its id."""
        sequence = len(self.feedback) + 1
        item = feedback_pb2.FeedbackItem(
            feedback_id=f"feedback-{sequence}",
            device_id=device_id,
            sequence=sequence,
            sample_id=sample.sample_id,
            drift_event_id=sample.drift_event_id,
            decision=decision,  # type: ignore[arg-type]  # tests send unknown ones too
            label=label,
            embedding=sample.embedding,
        )
        self.feedback = {**self.feedback, item.feedback_id: item}  # whoever walks the old ones may go on
        return item.feedback_id

    def wait_for(self, condition: Any, *, timeout_s: float = 60.0) -> None:
        """Waits until a condition on this server holds; it is looked at after every call."""
        with self._changed:
            assert self._changed.wait_for(condition, timeout_s), (
                f"not within {timeout_s} s; asked: {self.asked}"
            )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listens, on the port of the last time if there was one."""
        self._server = grpc.server(futures.ThreadPoolExecutor(16), interceptors=[Refusing(self.next_refusal)])
        servicer = _Servicer(self)
        device_service_pb2_grpc.add_DeviceServiceServicer_to_server(servicer, self._server)
        ingestion_service_pb2_grpc.add_IngestionServiceServicer_to_server(servicer, self._server)
        drift_service_pb2_grpc.add_DriftServiceServicer_to_server(servicer, self._server)
        feedback_service_pb2_grpc.add_FeedbackServiceServicer_to_server(servicer, self._server)
        rollout_service_pb2_grpc.add_RolloutServiceServicer_to_server(servicer, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        """Breaks every connection; what was stored stays."""
        assert self._server is not None
        self._server.stop(None).wait()

    def next_refusal(self, method: str) -> Refusal | None:
        """Counts a call, and says how to refuse it."""
        with self._changed:
            self.asked[method] += 1
            return self._refusals[method].pop(0) if self._refusals[method] else None

    def changed(self) -> None:
        """Something happened that a waiting test may want to see."""
        with self._changed:
            self._changed.notify_all()


class _Servicer(
    device_service_pb2_grpc.DeviceServiceServicer,
    ingestion_service_pb2_grpc.IngestionServiceServicer,
    drift_service_pb2_grpc.DriftServiceServicer,
    feedback_service_pb2_grpc.FeedbackServiceServicer,
    rollout_service_pb2_grpc.RolloutServiceServicer,
):
    def __init__(self, sphere: FakeSphere) -> None:
        self._sphere = sphere

    def RegisterDevice(self, request: Any, context: Any) -> Any:
        sphere, device = self._sphere, request.device
        if device.mode == device_pb2.MODE_UNSPECIFIED and device.device_id in sphere.devices:
            device.mode = sphere.devices[device.device_id].mode
        sphere.devices[device.device_id] = device
        sphere.changed()
        return device_service_pb2.RegisterDeviceResponse(device=device)

    def Heartbeat(self, request: Any, context: Any) -> Any:
        sphere = self._sphere
        if request.device_id not in sphere.devices:
            Refusal(code=grpc.StatusCode.NOT_FOUND, reason="DEVICE_NOT_FOUND").send(context)
        sphere.heartbeats.append(request)
        sphere.changed()
        interval = Duration()
        interval.FromMilliseconds(int(sphere.heartbeat_interval_s * 1000))
        return device_service_pb2.HeartbeatResponse(
            heartbeat_interval=interval,
            mode=sphere.mode,
            waiting_work=device_service_pb2.WaitingWork(
                feedback_mark=max((item.sequence for item in sphere.feedback.values()), default=0),
                update_mark=0 if sphere.offer is None else int(sphere.offer.rollout_id.rpartition("-")[2]),
            ),
        )

    def PutPackage(self, request: Any, context: Any) -> Any:
        self._sphere.received_bytes += len(request.content)
        return ingestion_service_pb2.PutPackageResponse(
            package=self._commit(request.descriptor, request.content, context)
        )

    def CreateUpload(self, request: Any, context: Any) -> Any:
        sphere, descriptor = self._sphere, request.descriptor
        stored = sphere.uploads.setdefault(
            descriptor.package_id, StoredUpload(descriptor, f"upload-{len(sphere.uploads) + 1}")
        )
        upload = package_pb2.Upload(
            upload_id=stored.upload_id,
            package_id=descriptor.package_id,
            state=package_pb2.UPLOAD_STATE_ACTIVE,
            committed_offset=len(stored.content),
            size_bytes=descriptor.size_bytes,
            chunk_size_bytes=CHUNK_BYTES,
            commit_interval_bytes=COMMIT_BYTES,
        )
        if descriptor.package_id in sphere.packages:
            upload.state = package_pb2.UPLOAD_STATE_FINISHED
            upload.package.CopyFrom(_receipt(descriptor))
        return ingestion_service_pb2.CreateUploadResponse(upload=upload)

    def UploadPackage(self, request_iterator: Any, context: Any) -> Any:
        sphere = self._sphere
        opening = next(request_iterator).open
        stored = next(one for one in sphere.uploads.values() if one.upload_id == opening.upload_id)
        if opening.offset > len(stored.content):
            Refusal(code=grpc.StatusCode.FAILED_PRECONDITION, reason="UPLOAD_OFFSET_MISMATCH").send(context)
        acknowledged, taken = len(stored.content), 0
        for request in request_iterator:
            if request.WhichOneof("part") == "finish":
                package = self._commit(stored.descriptor, bytes(stored.content), context)
                yield ingestion_service_pb2.UploadPackageResponse(
                    done=ingestion_service_pb2.UploadDone(package=package)
                )
                return
            assert request.chunk.crc32c == google_crc32c.value(request.chunk.data)
            assert request.chunk.offset <= len(stored.content), "a gap"
            stored.content[request.chunk.offset :] = request.chunk.data
            taken += len(request.chunk.data)
            sphere.received_bytes += len(request.chunk.data)
            if sphere.stall_uploads:
                self._hang(context)
                return
            if sphere.break_upload_after is not None and taken >= sphere.break_upload_after:
                UNAVAILABLE.send(context)
            if len(stored.content) - acknowledged >= COMMIT_BYTES:
                acknowledged = len(stored.content)
                yield ingestion_service_pb2.UploadPackageResponse(
                    ack=ingestion_service_pb2.UploadAck(committed_offset=acknowledged)
                )

    def _commit(self, descriptor: Any, content: bytes, context: Any) -> Any:
        sphere = self._sphere
        if descriptor.device_id not in sphere.devices:
            Refusal(code=grpc.StatusCode.NOT_FOUND, reason="DEVICE_NOT_FOUND").send(context)
        if hashlib.sha256(content).hexdigest() != descriptor.sha256:
            sphere.uploads.pop(descriptor.package_id, None)
            Refusal(code=grpc.StatusCode.INVALID_ARGUMENT, reason="DIGEST_MISMATCH").send(context)
        sphere.packages[descriptor.package_id] = content
        sphere.changed()
        receipt = _receipt(descriptor)
        sphere.spoil_receipt(receipt)
        return receipt

    def ReportDriftEvents(self, request: Any, context: Any) -> Any:
        before = len(self._sphere.drift_events)
        self._sphere.drift_events |= {event.drift_event_id: event for event in request.drift_events}
        self._sphere.changed()
        return drift_service_pb2.ReportDriftEventsResponse(
            created_count=len(self._sphere.drift_events) - before
        )

    def FetchFeedback(self, request: Any, context: Any) -> Any:
        final = (feedback_pb2.FEEDBACK_OUTCOME_APPLIED, feedback_pb2.FEEDBACK_OUTCOME_REJECTED)
        items = [
            item
            for item in self._sphere.feedback.values()
            if item.sequence > request.after_sequence
            and item.device_id == request.device_id
            and item.outcome not in final
        ]
        size = request.page_size or 100
        return feedback_service_pb2.FetchFeedbackResponse(items=items[:size], has_more=len(items) > size)

    def AcknowledgeFeedback(self, request: Any, context: Any) -> Any:
        feedback = self._sphere.feedback
        if any(answer.feedback_id not in feedback for answer in request.acknowledgements):
            Refusal(code=grpc.StatusCode.NOT_FOUND, reason="FEEDBACK_NOT_FOUND").send(context)
        self._sphere.answers += request.acknowledgements
        for answer in request.acknowledgements:
            item = feedback[answer.feedback_id]
            item.outcome, item.reason = answer.outcome, answer.reason
            item.effect.CopyFrom(answer.effect)
        self._sphere.changed()
        return feedback_service_pb2.AcknowledgeFeedbackResponse(
            items=[feedback[answer.feedback_id] for answer in request.acknowledgements]
        )

    def CheckUpdate(self, request: Any, context: Any) -> Any:
        offer = self._sphere.offer
        if (
            offer is not None
            and not self._sphere.always_offer
            and request.running_model.bundle_sha256 == offer.model.bundle_sha256
        ):
            offer = None
        return rollout_service_pb2.CheckUpdateResponse(offer=offer, retry_after=self._sphere.retry_after)

    def DownloadArtifact(self, request: Any, context: Any) -> Any:
        sphere = self._sphere
        content = sphere.artifacts.get(request.sha256)
        if content is None:
            Refusal(code=grpc.StatusCode.NOT_FOUND, reason="ARTIFACT_NOT_FOUND").send(context)
            return
        sphere.download_offsets.append(request.offset)
        yield rollout_service_pb2.DownloadArtifactResponse(
            header=rollout_service_pb2.ArtifactHeader(sha256=request.sha256, size_bytes=len(content))
        )
        for start in range(request.offset, len(content), CHUNK_BYTES):
            if (
                sphere.break_download_after is not None
                and start - request.offset >= sphere.break_download_after
            ):
                UNAVAILABLE.send(context)
            yield rollout_service_pb2.DownloadArtifactResponse(data=content[start : start + CHUNK_BYTES])
            if sphere.stall_downloads:
                self._hang(context)
                return

    def _hang(self, context: Any) -> None:
        """Says nothing any more until the caller has gone."""
        context.add_callback(self._sphere.changed)
        with self._sphere._changed:
            self._sphere._changed.wait_for(lambda: not context.is_active(), 60)

    def ReportDeployment(self, request: Any, context: Any) -> Any:
        deployment = request.deployment
        state = rollout_pb2.DeploymentState.Name(deployment.state).removeprefix("DEPLOYMENT_STATE_")
        self._sphere.deployments[deployment.rollout_id].append(state)
        self._sphere.changed()
        return rollout_service_pb2.ReportDeploymentResponse(deployment=deployment)


def _receipt(descriptor: package_pb2.PackageDescriptor) -> package_pb2.Package:
    return package_pb2.Package(descriptor=descriptor, state=package_pb2.PACKAGE_STATE_COMMITTED)
