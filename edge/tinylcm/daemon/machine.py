"""What the machine under the device says of itself; what it does not say is left out."""

import os
import shutil
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_THERMAL = Path("/sys/class/thermal")


def machine_figures(data_dir: Path, thermal: Path = _THERMAL) -> dict[str, float]:
    """Returns resident memory, load, room on the disk of ``data_dir``, and the hottest sensor in degrees Celsius."""
    figures = {
        "memory_bytes": float(resident_bytes()),
        "load_1min": os.getloadavg()[0],
        "disk_free_bytes": float(shutil.disk_usage(data_dir).free),
    }
    temperatures = [_celsius(path) for path in thermal.glob("thermal_zone*/temp")]
    known = [value for value in temperatures if value is not None]
    return figures | ({"temperature_celsius": max(known)} if known else {})


def resident_bytes() -> int:
    """Returns the resident memory of this process, 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0


def _celsius(path: Path) -> float | None:
    try:
        return int(path.read_text(encoding="ascii")) / 1000
    except (OSError, ValueError):
        return None  # a sensor that is asleep answers with an error
