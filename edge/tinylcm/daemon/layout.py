"""Where a device keeps what it must not lose, and how that is opened."""

import platform
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from tinylcm.adapters.keys import load_trusted_keys
from tinylcm.adapters.outbox import SqliteOutbox
from tinylcm.adapters.slots import BundleSlots
from tinylcm.adapters.tflite import find_engine
from tinylcm.errors import StorageFullError
from tinylcm.ports import Clock
from tinylcm.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where a device keeps what it must not lose, under its data folder."""

    data_dir: Path

    @property
    def slots(self) -> Path:
        """The two model slots."""
        return self.data_dir / "slots"

    @property
    def snapshots(self) -> Path:
        """A folder of snapshots for each bundle."""
        return self.data_dir / "snapshots"

    @property
    def outbox(self) -> Path:
        """The outbox's database and packages."""
        return self.data_dir / "outbox"

    @property
    def predictions(self) -> Path:
        """The newest prediction log."""
        return self.data_dir / "predictions.jsonl"

    @property
    def transfer(self) -> Path:
        """How far the package under way has come."""
        return self.data_dir / "transfer.json"

    @property
    def lock(self) -> Path:
        """Held by the one daemon that may use the folder."""
        return self.data_dir / "lock"


def open_slots(settings: Settings) -> BundleSlots:
    """Opens the model slots of a device."""
    _, runtime = find_engine()
    return BundleSlots(
        Layout(data_dir=settings.device.data_dir).slots,
        trusted_keys=load_trusted_keys(settings.model.trusted_keys),
        runtime=runtime,
        machine=platform.machine(),
    )


def open_outbox(settings: Settings, clock: Clock) -> SqliteOutbox:
    """Opens the outbox of a device.

    Raises:
        StorageFullError: The disk has not even room to open it.
    """
    folder = Layout(data_dir=settings.device.data_dir).outbox
    try:
        return SqliteOutbox(
            folder, max_bytes=settings.outbox.max_bytes, max_age_s=settings.outbox.max_age_s, clock=clock
        )
    except sqlite3.OperationalError as error:
        raise StorageFullError(f"{folder} cannot be opened: {error}") from error
