"""What only a blob store of local files can do."""

import hashlib
from pathlib import Path

import pytest

from tinysphere.settings import Settings
from tinysphere.storage.blobs import open_blobs
from tinysphere.storage.blobs_files import FileBlobs

CONTENT = bytes(range(256)) * 1024
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_a_file_from_another_filesystem_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    path, blobs = tmp_path / "upload.part", FileBlobs(tmp_path / "blobs")
    path.write_bytes(CONTENT)
    monkeypatch.setattr("os.link", refuse)
    blobs.put_file(path, sha256=SHA256, size_bytes=len(CONTENT))
    assert b"".join(blobs.open(SHA256)) == CONTENT


@pytest.mark.parametrize("url", ["ftp://somewhere", "s3:///no-bucket", "blobs"])
def test_unknown_stores_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"file:///folder or s3://bucket"):
        open_blobs(Settings(data_dir=tmp_path, blobs_url=url))
