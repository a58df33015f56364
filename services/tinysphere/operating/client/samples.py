"""An operator's client of DriftService: samples that people judged."""

from collections.abc import Iterator

from tinymlops.v1 import drift_pb2, drift_service_pb2, drift_service_pb2_grpc
from tinysphere.errors import DamagedDataError
from tinysphere.operating.client.calls import TIMEOUT_S, rows, translated
from tinysphere.operating.convert.samples import read_judged_sample
from tinysphere.operating.export.records import JudgedSample
from tinysphere.rpc.channels import open_channel

MAX_PICTURE_BYTES = 1024 * 1024  # what the contract allows


class SamplesClient:
    """Samples of the server at ``target`` ("host:port"). Connects with the first call; close it at the end.

    Every method raises UnavailableError when the server is away or busy, and InvalidRequestError when it refuses.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._channel = open_channel(target)
        self._stub = drift_service_pb2_grpc.DriftServiceStub(self._channel)

    def judged(self, *, drift_event_id: str = "", device_id: str = "") -> Iterator[JudgedSample]:
        """Every judged sample, oldest first; one page is held at a time."""
        request = drift_service_pb2.ListSamplesRequest(
            drift_event_id=drift_event_id,
            device_id=device_id,
            state=drift_pb2.SAMPLE_STATE_JUDGED,
        )
        yield from map(read_judged_sample, rows(self._stub.ListSamples, request, "samples", self._target))

    def picture(self, sample_id: str) -> bytes:
        """The picture of a sample that has one."""
        request = drift_service_pb2.GetSampleContentRequest(sample_id=sample_id)
        content = bytearray()
        with translated(self._target):
            for piece in self._stub.GetSampleContent(request, timeout=TIMEOUT_S):
                content += piece.data
                if len(content) > MAX_PICTURE_BYTES:
                    raise DamagedDataError(
                        "PICTURE_TOO_LARGE",
                        f"the picture of sample {sample_id} has more than {MAX_PICTURE_BYTES} bytes",
                    )
        return bytes(content)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()
