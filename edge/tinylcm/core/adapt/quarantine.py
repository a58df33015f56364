"""Samples of a drift, kept aside until somebody or something says what they are."""

from collections import OrderedDict
from collections.abc import Collection

from tinylcm.errors import InputError
from tinylcm.records import Sample

_RECORD_SIZE_BYTES = 512
"""What a sample costs besides its vectors and its picture, roughly."""


class Quarantine:
    """Bounded by count, bytes and age; the oldest leave first.

    Age is counted in inputs of the source, because a device's clock may jump by years.
    """

    def __init__(
        self, *, capacity: int = 400, capacity_bytes: int = 16 << 20, max_age_frames: int = 100_000
    ) -> None:
        """Makes an empty quarantine.

        Raises:
            InputError: A bound is below 1.
        """
        if min(capacity, capacity_bytes, max_age_frames) < 1:
            raise InputError("capacity, capacity_bytes and max_age_frames must be at least 1")
        self.capacity = capacity
        self.capacity_bytes = capacity_bytes
        self.max_age_frames = max_age_frames
        self._samples: OrderedDict[str, Sample] = OrderedDict()
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def size_bytes(self) -> int:
        """Bytes its samples take, roughly."""
        return self._size_bytes

    def add(self, sample: Sample) -> bool:
        """Keeps a sample, in place of one with its id; returns False when it is larger than the whole quarantine."""
        size_bytes = sample_size_bytes(sample)
        if size_bytes > self.capacity_bytes:
            return False
        self.remove(sample.sample_id)
        self._expire(sample.observation.source_index)
        while self._samples and (
            len(self) >= self.capacity or self._size_bytes + size_bytes > self.capacity_bytes
        ):
            self.remove(next(iter(self._samples)))
        self._samples[sample.sample_id] = sample
        self._size_bytes += size_bytes
        return True

    def replace(self, sample: Sample) -> None:
        """Puts a sample in the place of the one with its id; age and order stay. Ignored when there is none."""
        old = self._samples.get(sample.sample_id)
        if old is not None:
            self._samples[sample.sample_id] = sample
            self._size_bytes += sample_size_bytes(sample) - sample_size_bytes(old)

    def get(self, sample_id: str) -> Sample | None:
        """Returns a sample, or None when it is not here."""
        return self._samples.get(sample_id)

    def samples(self, drift_event_ids: Collection[str] | None = None) -> tuple[Sample, ...]:
        """Returns the samples of the named events, or all, in the order they came."""
        return tuple(
            sample
            for sample in self._samples.values()
            if drift_event_ids is None or sample.drift_event_id in drift_event_ids
        )

    def remove(self, sample_id: str) -> bool:
        """Drops a sample; returns whether it was here."""
        sample = self._samples.pop(sample_id, None)
        if sample is None:
            return False
        self._size_bytes -= sample_size_bytes(sample)
        return True

    def clear(self) -> None:
        """Drops all samples."""
        self._samples.clear()
        self._size_bytes = 0

    def _expire(self, newest_index: int) -> None:
        """Drops what came too many inputs ago, oldest first; after a source began anew, that is nothing."""
        while self._samples:
            oldest = next(iter(self._samples.values()))
            if newest_index - oldest.observation.source_index <= self.max_age_frames:
                return
            self.remove(oldest.sample_id)


def sample_size_bytes(sample: Sample) -> int:
    """Bytes a sample takes in memory, roughly."""
    picture = len(sample.image.content) if sample.image else 0
    return (
        sample.observation.embedding.nbytes + sample.observation.point.nbytes + picture + _RECORD_SIZE_BYTES
    )
