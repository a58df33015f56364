"""What one upload and one device may ask of the server."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLimits:
    """See the settings of the same names."""

    package_max_bytes: int
    chunk_bytes: int
    chunk_max_bytes: int
    commit_bytes: int
    commit_interval_s: float
    quota_bytes: int
    expiry: timedelta
    result_retention: timedelta
    disk_floor_bytes: int
