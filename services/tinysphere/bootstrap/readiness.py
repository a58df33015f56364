"""Readiness apart from liveness: a server whose database or blob store is away lives, and is not ready."""

import logging
from collections.abc import Sequence

from tinysphere.errors import TinySphereError
from tinysphere.jobs.periodic import Periodic
from tinysphere.rpc.server import RpcServer
from tinysphere.storage.ports.blobs import SweepableBlobs
from tinysphere.storage.sql.database import Database

CHECK_INTERVAL_S = 2.0
STOP_TIMEOUT_S = 1.0

logger = logging.getLogger(__name__)


class Readiness:
    """Tells servers, and through `grpc.health.v1` whoever asks them, whether their stores answer."""

    def __init__(self, servers: Sequence[RpcServer], database: Database, blobs: SweepableBlobs) -> None:
        self._servers = servers
        self._database = database
        self._blobs = blobs
        self._is_ready = True

    def watching(self) -> Periodic:
        """The check, again and again."""
        return Periodic("readiness", self.check, interval_s=CHECK_INTERVAL_S, stop_timeout_s=STOP_TIMEOUT_S)

    def check(self) -> None:
        """Look once, and tell what changed."""
        try:
            self._database.check()
            self._blobs.check()
        except TinySphereError as error:
            self._tell(False, str(error))
        else:
            self._tell(True, "")

    def _tell(self, is_ready: bool, why: str) -> None:
        if is_ready is not self._is_ready:
            logger.warning("ready again" if is_ready else f"not ready: {why}")
        self._is_ready = is_ready
        for server in self._servers:
            server.set_ready(is_ready)
