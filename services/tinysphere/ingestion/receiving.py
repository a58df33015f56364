"""One upload stream: bytes in, acknowledgements out."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import google_crc32c

from tinysphere.domain.packages import Package
from tinysphere.errors import (
    DamagedDataError,
    InvalidFieldError,
    InvalidRequestError,
    PreconditionError,
    UnavailableError,
)
from tinysphere.ingestion.limits import UploadLimits
from tinysphere.ingestion.upload_session import Interrupt, UploadSession, digest_mismatch
from tinysphere.ingestion.upload_sessions import UploadSessions
from tinysphere.jobs.ports import Jobs

IDLE_TIMEOUT_S = 120.0  # a stream without a message for so long gives its thread back
IDLE_RETRY_AFTER_S = 1.0
FIRST_COMMIT_BYTES = 64 * 1024
COMMIT_SHARE = 16  # of what the stream carried


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOpen:
    """Names the upload and where the sender starts."""

    upload_id: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadChunk:
    """Some bytes, and their CRC-32C."""

    offset: int
    data: bytes
    crc32c: int


@dataclass(frozen=True, slots=True)
class UploadFinish:
    """All bytes were sent."""


UploadPart = UploadOpen | UploadChunk | UploadFinish


class UploadInbox(Protocol):
    """Messages of the stream; see `tinysphere.rpc.inbox.Inbox`."""

    @property
    def ended(self) -> bool: ...

    @property
    def is_empty(self) -> bool: ...

    def take(self, timeout_s: float) -> UploadPart | None: ...

    def interrupt(self, error: Exception) -> None: ...


class UploadReceiver:
    """Serves upload streams, one call of `receive` each."""

    def __init__(self, sessions: UploadSessions, limits: UploadLimits, jobs: Jobs) -> None:
        self._sessions = sessions
        self._limits = limits
        self._jobs = jobs

    def receive(self, inbox: UploadInbox) -> Iterator[int | Package]:
        """Take one stream.

        Yields:
            The committed offset after each durable commit; last, the package.
        """
        opening = inbox.take(IDLE_TIMEOUT_S)
        if not isinstance(opening, UploadOpen):
            raise _unexpected("`open` first")
        interrupt = inbox.interrupt
        with self._sessions.streaming(opening.upload_id, interrupt) as session:
            writer = UploadWriter(session, interrupt, opening.offset, self._limits)
            while not inbox.ended:
                part = inbox.take(writer.wait_s())
                if isinstance(part, UploadFinish):
                    package = writer.finish()
                    self._jobs.submit(package.descriptor.package_id)
                    yield package
                    return
                if isinstance(part, UploadOpen):
                    raise _unexpected("`open` only once")
                if part is not None:
                    writer.append(part)
                if writer.commit_is_due(sender_waits=inbox.is_empty):
                    yield writer.commit()
            if writer.waiting_bytes:
                yield writer.commit()


class UploadWriter:
    """Writes what one stream sends."""

    def __init__(
        self, session: UploadSession, interrupt: Interrupt, offset: int, limits: UploadLimits
    ) -> None:
        self._session = session
        self._interrupt = interrupt
        self._limits = limits
        self._start = self._position = offset
        self._last_part = self._last_commit = time.monotonic()
        with self._owned():
            if not 0 <= offset <= session.written:
                raise self._offset_mismatch()

    @property
    def waiting_bytes(self) -> int:
        """Bytes written and not yet durable."""
        return self._session.written - self._session.committed

    def append(self, chunk: UploadChunk) -> None:
        """Write a chunk; bytes the server has are skipped.

        Raises:
            InvalidFieldError: the chunk is empty or too large.
            DamagedDataError: CHUNK_CORRUPT.
            PreconditionError: UPLOAD_OFFSET_MISMATCH, it does not follow the chunk before.
            InvalidRequestError: DIGEST_MISMATCH, more bytes than announced; the upload starts again.
        """
        self._check(chunk)
        self._last_part = time.monotonic()
        with self._owned() as session:
            if chunk.offset != self._position:
                raise self._offset_mismatch()
            end = chunk.offset + len(chunk.data)
            if end > session.upload.size_bytes:
                session.restart()
                raise digest_mismatch(session.upload)
            if not self.waiting_bytes:
                self._last_commit = self._last_part  # nothing waited until now
            known = min(session.written - chunk.offset, len(chunk.data))
            if known < len(chunk.data):
                session.append(memoryview(chunk.data)[known:] if known else chunk.data)
            self._position = end

    def commit(self) -> int:
        """Make what was written durable."""
        with self._owned() as session:
            self._last_commit = time.monotonic()
            return session.commit()

    def finish(self) -> Package:
        """Check the whole and commit the package."""
        with self._owned() as session:
            return session.finish()

    def commit_is_due(self, *, sender_waits: bool) -> bool:
        """Whether enough bytes or enough time wait for a commit; while more keeps coming, few commits are enough.

        Args:
            sender_waits: No message is there; the sender may be as far ahead as it dares.

        Raises:
            UnavailableError: UPLOAD_IDLE, the sender has been silent for too long.
        """
        if time.monotonic() - self._last_part >= IDLE_TIMEOUT_S:
            raise UnavailableError(
                "UPLOAD_IDLE", "nothing came for a while; open again", retry_after_s=IDLE_RETRY_AFTER_S
            )
        waiting_bytes = self.waiting_bytes
        enough_bytes = self._commit_bytes() if sender_waits else self._limits.commit_bytes
        return waiting_bytes >= enough_bytes or (waiting_bytes > 0 and self._commit_in_s() <= 0)

    def wait_s(self) -> float:
        """How long to wait for the next message."""
        return max(0.0, self._commit_in_s()) if self.waiting_bytes else IDLE_TIMEOUT_S

    def _commit_bytes(self) -> int:
        """Few bytes at first, so that a sender on a bad link need not risk many; soon the limit."""
        carried_bytes = self._session.committed - self._start
        return min(max(FIRST_COMMIT_BYTES, carried_bytes // COMMIT_SHARE), self._limits.commit_bytes)

    def _commit_in_s(self) -> float:
        return self._last_commit + self._limits.commit_interval_s - time.monotonic()

    def _check(self, chunk: UploadChunk) -> None:
        if not 1 <= len(chunk.data) <= self._limits.chunk_max_bytes:
            expected = f"1 to {self._limits.chunk_max_bytes} bytes"
            raise InvalidFieldError("chunk.data", expected, str(len(chunk.data)))
        if google_crc32c.value(chunk.data) != chunk.crc32c:
            raise DamagedDataError(
                "CHUNK_CORRUPT",
                f"the crc32c of the chunk at {chunk.offset} does not match; send it again",
                metadata={"offset": str(chunk.offset)},
            )

    @contextmanager
    def _owned(self) -> Iterator[UploadSession]:
        with self._session.lock:
            UploadSessions.require_owner(self._session, self._interrupt)
            yield self._session

    def _offset_mismatch(self) -> PreconditionError:
        committed = self._session.commit()
        return PreconditionError(
            "UPLOAD_OFFSET_MISMATCH",
            f"expected to go on at {committed} or below",
            metadata={"committed_offset": str(committed)},
        )


def _unexpected(expected: str) -> InvalidRequestError:
    return InvalidRequestError(
        "UNEXPECTED_MESSAGE", f"the stream is open, chunks, finish: expected {expected}"
    )
