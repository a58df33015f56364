"""An S3 store: how it is reached, and what its errors mean."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from tinysphere.errors import ExhaustedError, TinySphereError, UnavailableError
from tinysphere.storage.digests import blob_not_found
from tinysphere.storage.files import FULL_RETRY_AFTER_S

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0
AWAY_RETRY_AFTER_S = 5.0
REFUSED_RETRY_AFTER_S = 60.0

_ATTEMPTS_AGAIN = urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504))
_UNKNOWN = {"NoSuchKey", "NoSuchObject"}
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


def connect(place: S3Place) -> Minio:
    """A client of the store; it connects with the first call."""
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
def translated() -> Iterator[None]:
    """Raise what the store's errors are to our callers."""
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
