"""The uploads this process is busy with. A newer stream takes over from an older one at once."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from tinysphere.errors import SupersededError, TinySphereError
from tinysphere.ingestion.upload_session import (
    Interrupt,
    UploadPlaces,
    UploadSession,
    upload_not_found,
    usable,
)

MAX_SESSIONS = 4096  # beyond, those without a stream are forgotten; only their digest so far is lost

logger = logging.getLogger(__name__)


class UploadSessions:
    """Finds the session of an upload. There is never more than one that a stream may write to."""

    def __init__(self, places: UploadPlaces) -> None:
        self._places = places
        self._lock = threading.Lock()  # held for moments; a session's own lock is taken before it
        self._sessions: OrderedDict[str, UploadSession] = OrderedDict()
        self._held: dict[str, UploadSession] = {}  # by package, those with a stream

    @contextmanager
    def streaming(self, upload_id: str, interrupt: Interrupt) -> Iterator[UploadSession]:
        """Hold an upload for one stream; ``interrupt`` is called when another takes over.

        What was written is durable when the block ends, however it ends.

        Raises:
            NotFoundError: UPLOAD_NOT_FOUND or UPLOAD_EXPIRED.
        """
        session = self._enter(upload_id, interrupt)
        try:
            with session.lock:
                self.require_owner(session, interrupt)
                session.open()
            yield session
        finally:
            self._leave(session, interrupt)

    @contextmanager
    def ending(self, upload_id: str, interruption: TinySphereError) -> Iterator[None]:
        """Keep streams from an upload while the block ends it; then a stream on it is interrupted."""
        with self._lock:
            session = self._sessions.get(upload_id)
        if session is None:
            yield
            return
        with session.lock:
            yield
            session.distrust()
            with self._lock:
                owner = session.owner
                self._release(session)
        if owner is not None:
            owner(interruption)

    def end_stream_of(self, package_id: str) -> None:
        """Interrupt the stream that brings a package, if there is one: the package is there."""
        with self._lock:
            session = self._held.get(package_id)
        if session is not None:
            upload_id = session.upload.upload_id
            with self.ending(upload_id, upload_not_found(upload_id)):
                pass

    def committed_offset(self, upload_id: str) -> int | None:
        """Durable bytes of an upload that a stream holds."""
        with self._lock:
            session = self._sessions.get(upload_id)
            is_held = session is not None and session.owner is not None and session.is_loaded
            return session.committed if session is not None and is_held else None

    @staticmethod
    def require_owner(session: UploadSession, interrupt: Interrupt) -> None:
        """Raise SupersededError/UPLOAD_SUPERSEDED unless the stream still holds the upload."""
        if session.owner is not interrupt:
            raise _superseded(session.upload.upload_id)

    def _enter(self, upload_id: str, interrupt: Interrupt) -> UploadSession:
        upload = usable(self._places.store.get(upload_id), upload_id)
        with self._lock:
            session = self._sessions.setdefault(upload_id, UploadSession(upload, self._places))
            self._sessions.move_to_end(upload_id)
            self._forget_oldest()
            older, session.owner = session.owner, interrupt
            self._held[upload.package_id] = session
        if older is not None:
            older(_superseded(upload_id))
        return session

    def _leave(self, session: UploadSession, interrupt: Interrupt) -> None:
        with session.lock:
            if session.owner is not interrupt:
                return
            try:
                session.record()
            except Exception as error:  # the newest error is not the one to tell; the tail stays in the file
                logger.warning("upload %s: its tail is not durable yet: %s", session.upload.upload_id, error)
            session.close()
            with self._lock:
                if session.owner is interrupt:
                    self._release(session)

    def _release(self, session: UploadSession) -> None:
        session.owner = None
        self._held.pop(session.upload.package_id, None)

    def _forget_oldest(self) -> None:
        resting = (key for key, session in self._sessions.items() if session.owner is None)
        for key in list(islice(resting, max(0, len(self._sessions) - MAX_SESSIONS))):
            del self._sessions[key]


def _superseded(upload_id: str) -> SupersededError:
    return SupersededError("UPLOAD_SUPERSEDED", f"a newer stream took over upload {upload_id}")
