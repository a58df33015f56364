"""The sending side of an upload stream, one step at a time."""

import queue
from collections.abc import Iterator

import google_crc32c
import grpc

from tests.support.refusals import Refusal, refused
from tinymlops.v1 import ingestion_service_pb2 as messages
from tinymlops.v1 import ingestion_service_pb2_grpc, package_pb2

CHUNK_BYTES = 16 * 1024


class Sender:
    """One open stream. Ends when it is used as a context manager, or by `close`."""

    def __init__(
        self, stub: ingestion_service_pb2_grpc.IngestionServiceStub, upload_id: str, offset: int = 0
    ) -> None:
        self._outbox: queue.Queue[messages.UploadPackageRequest | None] = queue.Queue()
        self.call: grpc.Call = stub.UploadPackage(iter(self._outbox.get, None))
        self._answers: Iterator[messages.UploadPackageResponse] = iter(self.call)  # type: ignore[call-overload]  # a grpc call is an iterator
        self.send(messages.UploadPackageRequest(open=messages.UploadOpen(upload_id=upload_id, offset=offset)))

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self.call.cancel()

    def send(self, message: messages.UploadPackageRequest) -> None:
        self._outbox.put(message)

    def chunk(self, offset: int, data: bytes, crc32c: int | None = None) -> None:
        """Send a chunk, its checksum right unless another is given."""
        checksum = google_crc32c.value(data) if crc32c is None else crc32c
        chunk = messages.UploadChunk(offset=offset, data=data, crc32c=checksum)
        self.send(messages.UploadPackageRequest(chunk=chunk))

    def chunks(self, content: bytes, start: int = 0, end: int | None = None) -> None:
        """Send ``content[start:end]``."""
        stop = len(content) if end is None else end
        for offset in range(start, stop, CHUNK_BYTES):
            self.chunk(offset, content[offset : min(offset + CHUNK_BYTES, stop)])

    def finish(self) -> None:
        self.send(messages.UploadPackageRequest(finish=messages.UploadFinish()))

    def close(self) -> None:
        """Send no more; the server sees the end of the stream."""
        self._outbox.put(None)

    def answers(self) -> Iterator[messages.UploadPackageResponse]:
        """What the server answers, until it ends the stream."""
        return self._answers

    def acknowledged(self) -> int:
        """The next acknowledged offset."""
        answer = next(self._answers)
        assert answer.HasField("ack")
        return answer.ack.committed_offset

    def done(self) -> package_pb2.Package:
        """The receipt, after whatever acknowledgements come before."""
        *acks, last = self._answers
        assert all(answer.HasField("ack") for answer in acks)
        return last.done.package

    def rest(self) -> list[int]:
        """Acknowledgements until the server ends the stream in order."""
        return [answer.ack.committed_offset for answer in self._answers]

    def refusal(self) -> Refusal:
        """How the stream is refused."""
        return refused(lambda: self._answers)


def sent(
    stub: ingestion_service_pb2_grpc.IngestionServiceStub, upload: package_pb2.Upload, content: bytes
) -> package_pb2.Package:
    """Send what is missing, and finish."""
    with Sender(stub, upload.upload_id, upload.committed_offset) as sender:
        sender.chunks(content, upload.committed_offset)
        sender.finish()
        return sender.done()
