"""Brings the bytes of one bundle to the device, over links that break.

What arrived is appended to a file and stays there: the next attempt, also after a reboot, goes on behind it. There is
no deadline on the stream, only a watchdog that ends one on which nothing comes any more.
"""

import hashlib
import logging
import os
import threading
from pathlib import Path

import grpc

from tinylcm.errors import BundleError
from tinylcm.sync.backoff import Watchdog
from tinylcm.sync.failures import CallError, calling
from tinylcm.sync.pace import Pace
from tinymlops.v1 import rollout_service_pb2 as wire
from tinymlops.v1.rollout_service_pb2_grpc import RolloutServiceStub

_LOGGER = logging.getLogger(__name__)
_SYNC_BYTES = 4 << 20
_FED_TIMES = 4  # in the time after which the watchdog bites, while the device itself makes the server wait


class Downloader:
    """Downloads bundles one at a time.

    Args:
        stall_timeout_s: A stream on which nothing comes for so long is given up.
        pace: What the device may take from its link. The server runs ahead of it by what gRPC's flow control lets it.
    """

    def __init__(self, stub: RolloutServiceStub, *, stall_timeout_s: float, pace: Pace) -> None:
        self._stub = stub
        self._stall_timeout_s = stall_timeout_s
        self._pace = pace

    def fetch(self, sha256: str, size_bytes: int, path: Path) -> None:
        """Returns when the whole file is at ``path``, synced and with the right digest.

        Raises:
            BundleError: The server's bytes have another digest, or are more than announced.
            CallError: The link broke, or the server does not have it; what came is kept.
        """
        was_begun = path.exists() and path.stat().st_size > 0
        self._append(sha256, size_bytes, path)
        if _digest(path) == sha256:
            return
        path.unlink()
        if not was_begun:
            raise BundleError(f"the bytes received are not those of {sha256}")
        _LOGGER.warning("a resumed download is damaged and begins anew")  # e.g. its tail before a power cut
        self.fetch(sha256, size_bytes, path)

    def _append(self, sha256: str, size_bytes: int, path: Path) -> None:
        with path.open("ab") as file:
            if file.tell() > size_bytes:
                file.truncate(0)
            if (offset := file.tell()) < size_bytes:
                request = wire.DownloadArtifactRequest(sha256=sha256, offset=offset)
                try:
                    with calling("DownloadArtifact"):
                        self._receive(file.fileno(), request, size_bytes)
                except CallError as error:
                    if error.code is grpc.StatusCode.OUT_OF_RANGE:
                        file.truncate(0)  # what is here is not a part of what the server has
                    raise
            os.fsync(file.fileno())

    def _receive(self, descriptor: int, request: wire.DownloadArtifactRequest, size_bytes: int) -> None:
        call = self._stub.DownloadArtifact(request)
        over = threading.Event()
        call.add_callback(over.set)
        offset, unsynced = request.offset, 0
        with Watchdog(self._stall_timeout_s, call.cancel) as watchdog:
            for response in call:
                if offset + len(response.data) > size_bytes:
                    call.cancel()
                    raise BundleError(f"the server sends more than the {size_bytes} bytes it announced")
                os.write(descriptor, response.data)
                offset += len(response.data)
                unsynced += len(response.data)
                if unsynced >= _SYNC_BYTES:
                    os.fsync(descriptor)
                    unsynced = 0
                watchdog.feed()
                self._rest(self._pace.take(len(response.data)), watchdog, over)
        if offset < size_bytes:
            raise CallError(f"DownloadArtifact: the stream ended after {offset} of {size_bytes} bytes")

    def _rest(self, wait_s: float, watchdog: Watchdog, over: threading.Event) -> None:
        """Waits as the pace says, which is no fault of the link's, and no longer than the call lasts."""
        while wait_s > 0:
            piece_s = min(wait_s, self._stall_timeout_s / _FED_TIMES)
            if over.wait(piece_s):
                return
            watchdog.feed()
            wait_s -= piece_s


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
