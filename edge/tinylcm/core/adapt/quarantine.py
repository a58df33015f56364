"""Skeleton: signatures are final, bodies follow."""

from tinylcm.records import Sample


class Quarantine:
    """Bounded by count, bytes and age; the oldest leave first. Age is counted in frames, since clocks jump."""

    def __init__(
        self, *, capacity: int = 400, capacity_bytes: int = 16 << 20, max_age_frames: int = 100_000
    ) -> None: ...

    def __len__(self) -> int: ...

    def add(self, sample: Sample) -> None: ...

    def samples(self) -> tuple[Sample, ...]: ...

    def get(self, sample_id: str) -> Sample | None: ...

    def remove(self, sample_id: str) -> bool: ...
