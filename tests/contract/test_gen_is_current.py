"""`gen/` is what `make proto` writes from `protos/`, byte for byte."""

from __future__ import annotations

from pathlib import Path

from tools.generate_proto import ROOT, generate


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` by its relative path, without Python's own caches."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_gen_is_current(tmp_path: Path) -> None:
    generate(tmp_path)
    fresh, committed = contents(tmp_path), contents(ROOT / "gen")
    assert sorted(committed) == sorted(fresh), "run `make proto`"
    stale = [name for name in fresh if committed[name] != fresh[name]]
    assert stale == [], "run `make proto`"


def test_gen_is_an_import_root() -> None:
    """No `__init__.py`: the folders are the proto packages, shared with whoever else generates into them."""
    assert list((ROOT / "gen").rglob("__init__.py")) == []
