"""Looks at everything a server stands on, and says what to do about what is wrong."""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from cryptography import x509

from tinysphere.bootstrap import jobs
from tinysphere.distribution import keys
from tinysphere.errors import TinySphereError
from tinysphere.settings import GIB, Settings
from tinysphere.storage.blobs import open_blobs
from tinysphere.storage.registry_mlflow import MlflowRegistry
from tinysphere.storage.sql.database import Database

SLOW_S = 0.5  # a database that takes longer for nothing will be a bottleneck
CLOCK_WARN_S, CLOCK_FAIL_S = 2.0, 60.0
DISK_WARN_FACTOR = 4  # times the floor
CERTIFICATE_WARN = timedelta(days=30)

_ADVICE = {
    "database": "start it, or correct TINYSPHERE_DATABASE_URL",
    "schema": "look at the database's log",
    "clock": "look at the database's log",
    "engine": "see TINYSPHERE_WORKER_ENGINE",
    "blobs": "see TINYSPHERE_BLOBS_URL and TINYSPHERE_S3_*",
    "mlflow": "start it, or correct TINYSPHERE_MLFLOW_TRACKING_URI",
    "disk": "correct TINYSPHERE_DATA_DIR",
    "keys": "replace the file by a readable Ed25519 public key (PEM), or remove it",
    "certificates": "correct TINYSPHERE_S3_CA_FILE",
}


class Verdict(Enum):
    """How a part is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line: a part, how it is, and what to do unless it is well."""

    part: str
    verdict: Verdict
    told: str
    advice: str = ""


class Doctor:
    """Examines without changing anything, but that an S3 bucket is made where it is missing."""

    def __init__(
        self, settings: Settings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings = settings
        self._now = now
        self._database = Database(settings.database_url)

    def findings(self) -> Iterator[Finding]:
        """Every part, each as it is looked at; what lies in a database that is away is left out."""
        try:
            yield (database := self._looked_at("database", self._reach_database))
            if database.verdict is not Verdict.FAIL:
                yield self._looked_at("schema", self._schema)
                yield self._looked_at("clock", self._clock)
                yield self._looked_at("engine", self._engine)
            yield self._looked_at("blobs", self._blobs)
            yield self._looked_at("mlflow", self._mlflow)
            yield self._looked_at("disk", self._disk)
            yield self._looked_at("keys", self._keys)
            if self._settings.s3_ca_file is not None:
                yield self._looked_at("certificates", self._certificates)
        finally:
            self._database.dispose()

    def _looked_at(self, part: str, look: Callable[[], Finding]) -> Finding:
        try:
            return look()
        except (TinySphereError, OSError, ValueError) as error:
            return _fail(part, str(error), _ADVICE[part])

    def _reach_database(self) -> Finding:
        begin_s = time.monotonic()
        self._database.check()
        took_s = time.monotonic() - begin_s
        if took_s > SLOW_S:
            return _warn("database", f"answers after {took_s:.1f} s", "look at its load and at the network")
        return _ok("database", f"{self._database.shown_url} answers after {1000 * took_s:.0f} ms")

    def _schema(self) -> Finding:
        state = self._database.schema_state()
        shown, newest = (", ".join(sorted(names)) or "none" for names in (state.present, state.newest))
        if state.present == state.newest:
            return _ok("schema", newest)
        if state.is_known:
            told = f"{shown}, the newest is {newest}"
            return _warn("schema", told, "tinysphere migrate; a server that starts does it too")
        return _fail(
            "schema",
            f"{shown} is newer than this program, or another's",
            "run the newer program; it never goes back by itself",
        )

    def _clock(self) -> Finding:
        theirs = self._database.time()
        if theirs is None:
            return _ok("clock", "the database uses this host's")
        seconds = abs((theirs - self._now()).total_seconds())
        told = f"{seconds:.1f} s from the database's"
        if seconds > CLOCK_FAIL_S:
            return _fail("clock", told, "set it, and keep it by NTP: leases and expiries go by it")
        if seconds > CLOCK_WARN_S:
            return _warn("clock", told, "keep it by NTP")
        return _ok("clock", told)

    def _engine(self) -> Finding:
        name = self._settings.worker_engine
        if missing := jobs.missing(self._settings, self._database):
            return _warn("engine", f"{name} lacks {len(missing)} changes of its tables", "tinysphere migrate")
        return _ok("engine", f"{name}, {self._settings.worker_threads} threads in the server")

    def _blobs(self) -> Finding:
        open_blobs(self._settings).check()
        return _ok("blobs", self._settings.blobs_url)

    def _mlflow(self) -> Finding:
        folder = self._settings.data_dir / "mlflow-artifacts"
        MlflowRegistry(self._settings.mlflow_tracking_uri, folder).check()
        return _ok("mlflow", "answers")

    def _disk(self) -> Finding:
        folder = self._settings.data_dir
        folder.mkdir(parents=True, exist_ok=True)
        free, floor = shutil.disk_usage(folder).free, self._settings.disk_floor_bytes
        told = f"{free / GIB:.1f} GiB free at {folder}"
        if free < floor:
            return _fail(
                "disk", f"{told}: uploads are refused", "make room; tinysphere gc deletes what is over"
            )
        if free < DISK_WARN_FACTOR * floor:
            return _warn("disk", told, f"uploads are refused below {floor / GIB:.1f} GiB")
        return _ok("disk", told)

    def _keys(self) -> Finding:
        trusted = keys.TrustedKeys(
            self._settings.trusted_keys, self._settings.data_dir / keys.FOLDER_NAME
        ).by_id()
        if not trusted:
            return _warn(
                "keys",
                "no key is trusted, so no bundle can be published",
                f"put a public key (PEM) into {self._settings.data_dir / keys.FOLDER_NAME}",
            )
        return _ok("keys", f"{len(trusted)} trusted: {', '.join(sorted(trusted))}")

    def _certificates(self) -> Finding:
        path = self._settings.s3_ca_file
        assert path is not None, "looked at only where it is set"
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
        end = min(certificate.not_valid_after_utc for certificate in certificates)
        told = f"{path} holds {len(certificates)}, the first ends {end:%Y-%m-%d}"
        if end <= self._now():
            return _fail("certificates", told, "renew it")
        if end <= self._now() + CERTIFICATE_WARN:
            return _warn("certificates", told, "renew it")
        return _ok("certificates", told)


def _ok(part: str, told: str) -> Finding:
    return Finding(part=part, verdict=Verdict.OK, told=told)


def _warn(part: str, told: str, advice: str) -> Finding:
    return Finding(part=part, verdict=Verdict.WARN, told=told, advice=advice)


def _fail(part: str, told: str, advice: str) -> Finding:
    return Finding(part=part, verdict=Verdict.FAIL, told=told, advice=advice)
