"""An export becomes visible as a whole: it grows beside its place and is renamed at the end."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tinysphere.domain.drift import ImageFormat
from tinysphere.errors import DamagedDataError, PreconditionError
from tinysphere.operating.export.records import JudgedSample
from tinysphere.storage.files import sync_folder

MARK = "export.json"  # what makes a folder known as an export, which the next one may replace
_CACHE = ".pictures"
_SUFFIXES = {ImageFormat.JPEG: ".jpg", ImageFormat.PNG: ".png"}
_BEGINNINGS = {ImageFormat.JPEG: b"\xff\xd8\xff", ImageFormat.PNG: b"\x89PNG\r\n\x1a\n"}

FetchPicture = Callable[[str], bytes]


class StagedFolder:
    """A folder that grows. Pictures that an interrupted export fetched are there again, all else begins anew."""

    def __init__(self, path: Path, fetch: FetchPicture) -> None:
        self.path = path
        self._cache = path / _CACHE
        self._fetch = fetch
        self._cache.mkdir(parents=True, exist_ok=True)
        for entry in path.iterdir():
            if entry != self._cache:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def place_picture(self, sample: JudgedSample, folder: Path) -> Path | None:
        """Put a sample's picture into a folder inside; None for one without.

        Raises:
            DamagedDataError: PICTURE_CORRUPT, it is not what the server says it is.
        """
        if sample.image_format is None:
            return None
        kept = self._cache / f"{sample.sample_id}{_SUFFIXES[sample.image_format]}"
        if not kept.exists():
            content = self._fetch(sample.sample_id)
            if not content.startswith(_BEGINNINGS[sample.image_format]):
                raise DamagedDataError(
                    "PICTURE_CORRUPT",
                    f"the picture of sample {sample.sample_id} is no {sample.image_format.value}",
                )
            whole = kept.with_suffix(".part")
            whole.write_bytes(content)
            whole.replace(kept)
        folder.mkdir(parents=True, exist_ok=True)
        return _linked(kept, folder / kept.name)

    def finish(self, out: Path) -> None:
        """Take the place of `out`, and of the export that is there."""
        shutil.rmtree(self._cache)
        before = out.with_name(f".{out.name}.old")
        if before.exists():
            shutil.rmtree(before)
        if out.exists():
            out.rename(before)
        self.path.rename(out)
        sync_folder(out.absolute().parent)
        if before.exists():
            shutil.rmtree(before)


@contextmanager
def staged_folder(out: Path, fetch: FetchPicture) -> Iterator[StagedFolder]:
    """A folder that becomes ``out`` when the block ends, and stays beside it, to go on from, when it raises.

    Raises:
        PreconditionError: OUT_EXISTS, something else than an export is there.
    """
    if out.is_symlink() or (out.exists() and not (out / MARK).is_file()):
        raise PreconditionError("OUT_EXISTS", f"{out} exists and is no export; name another place")
    staged = StagedFolder(out.with_name(f".{out.name}.part"), fetch)
    yield staged
    staged.finish(out)


@contextmanager
def staged_file(out: Path) -> Iterator[Path]:
    """A file that becomes ``out`` when the block ends.

    Raises:
        PreconditionError: OUT_EXISTS, ``out`` is a folder.
    """
    if out.is_dir():
        raise PreconditionError("OUT_EXISTS", f"{out} is a folder; name a file")
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    yield part
    part.replace(out)
    sync_folder(out.absolute().parent)


def _linked(kept: Path, place: Path) -> Path:
    try:
        os.link(kept, place)
    except OSError:  # a file system without hard links
        shutil.copyfile(kept, place)
    return place
