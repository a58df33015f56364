"""One stream of a resumable upload: chunks up, acknowledgements and the receipt down."""

from collections.abc import Callable, Iterator
from pathlib import Path

from tinylcm.sync.backoff import Watchdog
from tinylcm.sync.failures import CallError
from tinylcm.sync.pace import Pace
from tinylcm.sync.tally import PackageTally
from tinylcm.sync.upload_chunk import UploadMethod, write_chunk
from tinylcm.sync.window import Window
from tinymlops.v1 import ingestion_service_pb2 as wire
from tinymlops.v1 import package_pb2

_DEFAULT_CHUNK_BYTES = 256 << 10


class UploadStream:
    """Sends the bytes that the server does not have, with flat memory.

    Args:
        window: How far it may be ahead of the acknowledgements; closed at the end.
        place: Counts what was handed to the link and what was acknowledged.
        acknowledged: Told of each committed offset that is news, by the thread that called `run`.
    """

    def __init__(
        self,
        upload: package_pb2.Upload,
        window: Window,
        pace: Pace,
        place: PackageTally,
        acknowledged: Callable[[int], None],
    ) -> None:
        self._upload = upload
        self._window = window
        self._pace = pace
        self._place = place
        self._acknowledged = acknowledged
        self._chunk_bytes = upload.chunk_size_bytes or _DEFAULT_CHUNK_BYTES

    def run(self, method: UploadMethod, path: Path, *, stall_timeout_s: float) -> package_pb2.Package:
        """Returns the receipt.

        Raises:
            CallError: The stream ended without one.
            grpc.RpcError: It broke, the server refused, or nothing was acknowledged for ``stall_timeout_s``.
        """
        call = method(self._requests(path))
        try:
            with Watchdog(stall_timeout_s, call.cancel) as watchdog:
                for response in call:
                    if response.WhichOneof("part") == "done":
                        self._place.acknowledge(self._upload.size_bytes)
                        return response.done.package
                    offset = response.ack.committed_offset
                    if self._place.acknowledge(offset):
                        self._window.acknowledge(offset)
                        watchdog.feed()
                        self._acknowledged(offset)
        finally:
            self._window.close()
        raise CallError("UploadPackage: the stream ended without a receipt")

    def _requests(self, path: Path) -> Iterator[bytes]:
        """Runs in a thread of gRPC, as fast as the link takes it and window and pace let it."""
        offset = self._upload.committed_offset
        opening = wire.UploadOpen(upload_id=self._upload.upload_id, offset=offset)
        yield wire.UploadPackageRequest(open=opening).SerializeToString()
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            while data := file.read(self._piece_bytes()):
                wait_s = self._pace.take(len(data))
                if not self._window.wait_for_room(offset, len(data)) or not self._window.pause(wait_s):
                    return
                chunk = write_chunk(offset, data)
                offset += len(data)
                self._place.hand(offset)
                yield chunk
        yield wire.UploadPackageRequest(finish=wire.UploadFinish()).SerializeToString()

    def _piece_bytes(self) -> int:
        return int(min(self._chunk_bytes, self._window.piece_bytes, self._pace.piece_bytes))
