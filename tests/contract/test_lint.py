"""The contract passes buf's STANDARD and COMMENTS rules, and buf would notice if it did not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tools.generate_proto import ROOT


def buf_lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("buf"), "lint"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_contract_is_lint_clean() -> None:
    finished = buf_lint(ROOT)
    assert finished.stdout + finished.stderr == ""
    assert finished.returncode == 0


def test_an_uncommented_field_is_noticed(tmp_path: Path) -> None:
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    careless = (
        'syntax = "proto3";\npackage tinymlops.v1;\n// A message.\nmessage Careless { bytes blob = 1; }'
    )
    (tmp_path / "protos" / "tinymlops" / "v1" / "careless.proto").write_text(careless)
    finished = buf_lint(tmp_path)
    assert finished.returncode != 0
    assert 'Field "blob" should have a non-empty comment' in finished.stdout
