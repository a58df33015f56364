"""Opens the blob store the settings name."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from tinysphere.settings import Settings
from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.ports.blobs import SweepableBlobs


def open_blobs(settings: Settings) -> SweepableBlobs:
    """Open the store at ``blobs_url``: "file:///absolute/folder", or "s3://bucket/prefix" at ``s3_endpoint``.

    Raises:
        ValueError: the URL is none of these.
        UnavailableError: BLOB_STORE_AWAY or BLOB_STORE_REFUSED.
    """
    parts = urlsplit(settings.blobs_url)
    if parts.scheme == "file":
        return FileBlobs(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        return _open_bucket(settings, parts.netloc, parts.path)
    raise ValueError(f"expected file:///folder or s3://bucket/prefix for blobs, got {settings.blobs_url!r}")


def _open_bucket(settings: Settings, bucket: str, path: str) -> SweepableBlobs:
    from tinysphere.storage.blobs_minio import MinioBlobs  # who keeps files need not load these
    from tinysphere.storage.s3 import S3Place

    prefix = path.strip("/")
    return MinioBlobs(
        S3Place(
            endpoint=settings.s3_endpoint,
            bucket=bucket,
            prefix=f"{prefix}/" if prefix else "",
            region=settings.s3_region,
            tls=settings.s3_tls,
            ca_file=settings.s3_ca_file,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key.get_secret_value(),
        )
    )
