"""The doctor names what is wrong, and what to do."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.seaweedfs import S3Server
from tests.tinysphere.distribution.builders import KEY, public_pem
from tinysphere.bootstrap import migrate
from tinysphere.bootstrap.doctor import Doctor, Finding, Verdict
from tinysphere.settings import Settings
from tinysphere.storage.sql.database import Database


def examined(settings: Settings, now: datetime | None = None) -> dict[str, Finding]:
    doctor = Doctor(settings, now=lambda: now or datetime.now(UTC))
    return {finding.part: finding for finding in doctor.findings()}


def migrated(settings: Settings) -> None:
    database = Database(settings.database_url)
    migrate(settings, database)
    database.dispose()


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    folder = tmp_path / "trusted_keys"
    folder.mkdir()
    (folder / "release.pem").write_bytes(public_pem(KEY))
    return folder


def test_a_server_that_is_well(tmp_path: Path, trusted: Path) -> None:
    settings = Settings(data_dir=tmp_path, disk_floor_bytes=1)
    migrated(settings)
    found = examined(settings)
    assert list(found) == ["database", "schema", "clock", "engine", "blobs", "mlflow", "disk", "keys"]
    assert {finding.verdict for finding in found.values()} == {Verdict.OK}, found
    assert not any(finding.advice for finding in found.values())


def test_everything_wrong_at_once(tmp_path: Path, trusted: Path) -> None:
    (trusted / "broken.pem").write_text("not a key")
    settings = Settings(
        data_dir=tmp_path,
        database_url="postgresql://nobody:secret@127.0.0.1:1/nothing",
        blobs_url="ftp://elsewhere",
        mlflow_tracking_uri="sqlite:////proc/none/mlflow.db",
        disk_floor_bytes=2**60,
        s3_ca_file=tmp_path / "missing.pem",
    )
    found = examined(settings)
    assert list(found) == ["database", "blobs", "mlflow", "disk", "keys", "certificates"]
    assert {finding.verdict for finding in found.values()} == {Verdict.FAIL}, found
    assert all(finding.advice for finding in found.values())
    assert not any("secret" in finding.told for finding in found.values())


def test_schema_clock_and_engine_on_postgresql(
    tmp_path: Path, trusted: Path, postgres_url: str, s3_server: S3Server
) -> None:
    settings = Settings(
        data_dir=tmp_path,
        database_url=postgres_url,
        worker_engine="procrastinate",
        disk_floor_bytes=1,
        s3_ca_file=s3_server.ca_file,
        **s3_server.settings(s3_server.new_place()),  # type: ignore[arg-type]  # checked there
    )
    migrated(settings)
    well = examined(settings)
    verdicts = {part: finding.verdict for part, finding in well.items()}
    certificates = verdicts.pop("certificates")  # it lasts a day
    assert (set(verdicts.values()), certificates) == ({Verdict.OK}, Verdict.WARN)
    now = datetime.now(UTC)
    assert examined(settings, now + timedelta(seconds=20))["clock"].verdict is Verdict.WARN
    later = examined(settings, now + timedelta(days=2))
    assert (later["clock"].verdict, later["certificates"].verdict) == (Verdict.FAIL, Verdict.FAIL)
