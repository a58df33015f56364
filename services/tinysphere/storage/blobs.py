"""Opens the blob store a URL names."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.ports.blobs import Blobs


def open_blobs(url: str) -> Blobs:
    """Open the store at ``url``: "file:///absolute/folder".

    Raises:
        ValueError: the scheme is not known.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FileBlobs(Path(unquote(parts.path)))
    raise ValueError(f"expected a file:// URL for blobs, got {url!r}")
