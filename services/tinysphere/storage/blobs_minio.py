"""Blobs in a bucket of an S3 store: SeaweedFS, MinIO, Garage, Ceph, AWS.

An object appears under its digest only when all of it arrived with that digest: the last bytes of a request are held
back until then. A server that dies in the middle leaves an unfinished multipart upload, which no reader ever sees and
which the bucket's own rule (AbortIncompleteMultipartUpload) sweeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path

from minio.commonconfig import REPLACE, CopySource
from minio.error import S3Error

from tinysphere.errors import NotFoundError, UnavailableError
from tinysphere.storage.digests import READ_BYTES, arriving, blob_name, digest_of, require_offset, stored
from tinysphere.storage.ports.blobs import StoredBlob
from tinysphere.storage.s3 import AWAY_RETRY_AFTER_S, S3Place, connect, translated

PART_BYTES = 5 * 1024 * 1024  # the least S3 takes, and the most of a blob that is ever in memory
NOTICE_LIFETIME = timedelta(minutes=10)  # of "being deleted", when who said so died
BUSY_RETRY_AFTER_S = 1.0

_ALREADY_MADE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


class MinioBlobs:
    """Keeps each blob in the object ``<prefix><first two digits>/<digest>``."""

    def __init__(self, place: S3Place) -> None:
        """Open the bucket; make it where it is missing.

        Raises:
            UnavailableError: BLOB_STORE_AWAY or BLOB_STORE_REFUSED.
        """
        self._client = connect(place)
        self._bucket = place.bucket
        self._prefix = place.prefix
        with translated():
            if not self._client.bucket_exists(self._bucket):
                self._make_bucket(place.region)

    def put(self, chunks: Iterable[bytes], *, sha256: str, size_bytes: int) -> None:
        """See `Blobs.put`."""
        if self.size(sha256) == size_bytes:
            self._renew(sha256)
            return
        stream = _Reader(arriving(chunks, sha256=sha256, size_bytes=size_bytes))
        if not size_bytes:
            stream.read(1)  # nothing is read of an empty object, so nothing would be checked
        with translated():
            self._client.put_object(
                self._bucket,
                self._name(sha256),
                stream,  # type: ignore[arg-type]  # only `read` is used
                size_bytes,
                part_size=PART_BYTES,
                num_parallel_uploads=1,
            )

    def put_file(self, path: Path, *, sha256: str, size_bytes: int) -> None:
        """See `Blobs.put_file`."""
        with path.open("rb") as file:
            self.put(iter(partial(file.read, READ_BYTES), b""), sha256=sha256, size_bytes=size_bytes)

    def open(self, sha256: str, offset: int = 0) -> Iterator[bytes]:
        """See `Blobs.open`."""
        size_bytes = require_offset(sha256, offset, self.size(sha256))
        if offset == size_bytes:  # S3 answers an empty range with an error
            return stored((), sha256=sha256, size_bytes=0) if not size_bytes else iter(())
        chunks = self._read(sha256, offset)
        return chunks if offset else stored(chunks, sha256=sha256, size_bytes=size_bytes)

    def size(self, sha256: str) -> int | None:
        """See `Blobs.size`."""
        name = self._name(sha256)
        try:
            with translated():
                return self._client.stat_object(self._bucket, name).size
        except NotFoundError:
            return None

    def delete(self, sha256: str) -> None:
        """See `Blobs.delete`."""
        with translated():
            self._client.remove_object(self._bucket, self._name(sha256))

    def check(self) -> None:
        """See `SweepableBlobs.check`."""
        with translated():
            if not self._client.bucket_exists(self._bucket):
                raise UnavailableError(
                    "BLOB_STORE_AWAY",
                    f"bucket {self._bucket} is gone",
                    retry_after_s=AWAY_RETRY_AFTER_S,
                )

    def delete_older(self, sha256: str, before: datetime) -> bool:
        """See `SweepableBlobs.delete_older`.

        No S3 store deletes on the condition of an age. So whoever deletes first says so, then looks at the age; whoever
        puts again first makes the blob young, then looks whether somebody deletes it. One of the two sees the other.
        """
        name = self._name(sha256)
        with self._noticed(sha256):
            put_time = self._put_time(name)
            if put_time is None or put_time >= before:
                return False
            self.delete(sha256)
        return True

    def stored(self) -> Iterator[StoredBlob]:
        """See `SweepableBlobs.stored`."""
        with translated():
            for found in self._client.list_objects(self._bucket, prefix=self._prefix, recursive=True):
                sha256 = digest_of(str(found.object_name).removeprefix(self._prefix))
                if sha256 is not None and found.size is not None and found.last_modified is not None:
                    yield StoredBlob(sha256, found.size, found.last_modified)

    def _renew(self, sha256: str) -> None:
        """Make a blob young, and make sure that it stays.

        Raises:
            UnavailableError: BLOB_BUSY, somebody is deleting it.
        """
        name = self._name(sha256)
        with translated():
            source = CopySource(self._bucket, name)
            self._client.copy_object(self._bucket, name, source, metadata_directive=REPLACE)
        said = self._put_time(self._notice(sha256))
        if said is not None and datetime.now(UTC) - said < NOTICE_LIFETIME:
            raise UnavailableError(
                "BLOB_BUSY", "the stored bytes are being deleted", retry_after_s=BUSY_RETRY_AFTER_S
            )

    def _put_time(self, name: str) -> datetime | None:
        try:
            with translated():
                return self._client.stat_object(self._bucket, name).last_modified
        except NotFoundError:
            return None

    @contextmanager
    def _noticed(self, sha256: str) -> Iterator[None]:
        notice = self._notice(sha256)
        with translated():
            self._client.put_object(self._bucket, notice, BytesIO(), 0)
        try:
            yield
        finally:
            with translated():
                self._client.remove_object(self._bucket, notice)

    def _read(self, sha256: str, offset: int) -> Iterator[bytes]:
        with translated():  # not before the first chunk is asked for: nobody else would close it
            response = self._client.get_object(self._bucket, self._name(sha256), offset=offset)
            try:
                yield from response.stream(READ_BYTES)
            finally:
                response.close()  # a connection with unread bytes cannot be used again
                response.release_conn()

    def _name(self, sha256: str) -> str:
        return self._prefix + blob_name(sha256)

    def _notice(self, sha256: str) -> str:
        """The empty object that says that a blob is being deleted."""
        return f"{self._prefix}deleting/{sha256}"

    def _make_bucket(self, region: str) -> None:
        try:
            self._client.make_bucket(self._bucket, region or None)
        except S3Error as error:
            if error.code not in _ALREADY_MADE:  # by another server that started at the same moment
                raise


class _Reader:
    """The file that `Minio.put_object` reads: exactly as many bytes as it asks for, until the end."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def read(self, size_bytes: int) -> bytes:
        pieces, wanted = [], size_bytes
        while wanted:
            if not self._rest:
                self._rest = memoryview(next(self._chunks, b""))
                if not self._rest:
                    break
            piece, self._rest = self._rest[:wanted], self._rest[wanted:]
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)
