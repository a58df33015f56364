"""Blobs in a bucket of an S3 store: SeaweedFS, MinIO, Garage, Ceph, AWS.

An object appears under its digest only when all of it arrived with that digest: the last bytes of a request are held
back until then. A server that dies in the middle leaves an unfinished multipart upload, which no reader ever sees and
which the bucket's own rule (AbortIncompleteMultipartUpload) sweeps.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from tinysphere.errors import ExhaustedError, NotFoundError, TinySphereError, UnavailableError
from tinysphere.storage.digests import READ_BYTES, arriving, blob_name, blob_not_found, require_offset, stored
from tinysphere.storage.files import FULL_RETRY_AFTER_S

PART_BYTES = 5 * 1024 * 1024  # the least S3 takes, and the most of a blob that is ever in memory
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0
AWAY_RETRY_AFTER_S = 5.0
REFUSED_RETRY_AFTER_S = 60.0

_ATTEMPTS_AGAIN = urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504))
_UNKNOWN = {"NoSuchKey", "NoSuchObject"}
_ALREADY_MADE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
_FULL = {"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientStorage"}
_FULL_STATUS = 507
_REFUSED_STATUS = (401, 403)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Place:
    """Where a bucket is, and who opens it; see the settings of these names.

    Attributes:
        prefix: What the names of all objects begin with: empty, or ending in "/".
        region: Empty to ask the store.
        ca_file: Certificates (PEM) to trust instead of the usual ones.
    """

    endpoint: str
    bucket: str
    prefix: str = ""
    region: str = ""
    tls: bool = True
    ca_file: Path | None = None
    access_key: str = ""
    secret_key: str = field(default="", repr=False)


class MinioBlobs:
    """Keeps each blob in the object ``<prefix><first two digits>/<digest>``."""

    def __init__(self, place: S3Place) -> None:
        """Open the bucket; make it where it is missing.

        Raises:
            UnavailableError: BLOB_STORE_AWAY or BLOB_STORE_REFUSED.
        """
        self._client = _client(place)
        self._bucket = place.bucket
        self._prefix = place.prefix
        with _translated():
            if not self._client.bucket_exists(self._bucket):
                self._make_bucket(place.region)

    def put(self, chunks: Iterable[bytes], *, sha256: str, size_bytes: int) -> None:
        """See `Blobs.put`."""
        if self.size(sha256) == size_bytes:
            return
        stream = _Reader(arriving(chunks, sha256=sha256, size_bytes=size_bytes))
        if not size_bytes:
            stream.read(1)  # nothing is read of an empty object, so nothing would be checked
        with _translated():
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
            with _translated():
                return self._client.stat_object(self._bucket, name).size
        except NotFoundError:
            return None

    def delete(self, sha256: str) -> None:
        """See `Blobs.delete`."""
        with _translated():
            self._client.remove_object(self._bucket, self._name(sha256))

    def _read(self, sha256: str, offset: int) -> Iterator[bytes]:
        with _translated():  # not before the first chunk is asked for: nobody else would close it
            response = self._client.get_object(self._bucket, self._name(sha256), offset=offset)
            try:
                yield from response.stream(READ_BYTES)
            finally:
                response.close()  # a connection with unread bytes cannot be used again
                response.release_conn()

    def _name(self, sha256: str) -> str:
        return self._prefix + blob_name(sha256)

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


def _client(place: S3Place) -> Minio:
    http = urllib3.PoolManager(
        maxsize=16,
        timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
        retries=_ATTEMPTS_AGAIN,
        cert_reqs="CERT_REQUIRED",
        ca_certs=None if place.ca_file is None else str(place.ca_file),
    )
    return Minio(
        place.endpoint,
        access_key=place.access_key or None,
        secret_key=place.secret_key or None,
        secure=place.tls,
        region=place.region or None,
        http_client=http,
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        raise _refusal(error) from error
    except (MinioException, HTTPError) as error:
        raise _away(error) from error


def _refusal(error: S3Error) -> TinySphereError:
    status = error.response.status
    if error.code in _UNKNOWN:
        return blob_not_found(str(error.object_name))
    if error.code in _FULL or status == _FULL_STATUS:
        return ExhaustedError("DISK_FULL", "the blob store is full", retry_after_s=FULL_RETRY_AFTER_S)
    if status in _REFUSED_STATUS:
        logger.warning("blob store: %s", error)
        return UnavailableError(
            "BLOB_STORE_REFUSED",
            f"the blob store refuses this server, whose keys or rights are wrong: {error.code}",
            retry_after_s=REFUSED_RETRY_AFTER_S,
        )
    return _away(error)


def _away(error: Exception) -> UnavailableError:
    logger.warning("blob store: %s", error)  # devices need not know where the server keeps things
    return UnavailableError(
        "BLOB_STORE_AWAY", "the blob store does not answer as it should", retry_after_s=AWAY_RETRY_AFTER_S
    )
