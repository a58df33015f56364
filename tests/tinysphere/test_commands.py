"""`tinysphere gc | forget` as an operator types them."""

import os
import subprocess
import sys
from pathlib import Path

from tests.tinysphere.storage.records import DEVICE_ID, at, descriptor, profile
from tinysphere.domain.clock import SystemClock
from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.sql.audit import SqlAuditLog
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.devices import SqlDeviceStore
from tinysphere.storage.sql.packages import SqlPackageStore


def tinysphere(data_dir: Path, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    facts = {"data_dir": data_dir} | settings
    environment = {f"TINYSPHERE_{key.upper()}": str(value) for key, value in facts.items()}
    return subprocess.run(
        [sys.executable, "-m", "tinysphere", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def said(data_dir: Path, *arguments: str, **settings: object) -> list[str]:
    result = tinysphere(data_dir, *arguments, **settings)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_garbage_and_a_forgotten_device(tmp_path: Path) -> None:
    database, blobs = Database(f"sqlite:///{tmp_path}/tinysphere.db"), FileBlobs(tmp_path / "blobs")
    database.migrate()
    SqlDeviceStore(database).register(profile(), at(0))
    package = SqlPackageStore(database).put(descriptor(), SystemClock().now()).descriptor
    blobs.put([b"content"], sha256=package.sha256, size_bytes=7)

    assert said(tmp_path, "gc", garbage_grace_s=0)[-1] == "deleted 0 of 1 blobs, 0 bytes"
    assert said(tmp_path, "forget", DEVICE_ID, "--dry-run")[-1] == f"would delete 4 rows of {DEVICE_ID}"
    assert said(tmp_path, "forget", DEVICE_ID) == [
        "device_labels 2",
        "devices 1",
        "packages 1",
        f"deleted 4 rows of {DEVICE_ID}",
    ]
    assert said(tmp_path, "gc")[-1] == "deleted 0 of 1 blobs, 0 bytes", "it is too young"
    assert said(tmp_path, "gc", "--dry-run", garbage_grace_s=0) == ["would delete 1 of 1 blobs, 7 bytes"]
    assert blobs.size(package.sha256) == 7
    assert said(tmp_path, "gc", garbage_grace_s=0)[-1] == "deleted 1 of 1 blobs, 7 bytes"
    assert blobs.size(package.sha256) is None

    records = SqlAuditLog(database).newest(9)
    assert [record.action for record in records] == ["COLLECT_GARBAGE", "FORGET_DEVICE"]
    assert all(" at " in record.actor for record in records)
    database.dispose()


def test_the_doctor_fails_with_a_line_each(tmp_path: Path) -> None:
    result = tinysphere(tmp_path, "doctor", blobs_url="ftp://elsewhere")
    assert result.returncode == 1
    lines = {line.split()[1]: line for line in result.stdout.splitlines()}
    assert lines["blobs"].startswith("fail blobs ")
    assert lines["schema"].endswith(" -> tinysphere migrate; a server that starts does it too")
    assert "Traceback" not in result.stderr
    said(tmp_path, "migrate")
    assert said(tmp_path, "doctor")[1].startswith("ok   schema ")
