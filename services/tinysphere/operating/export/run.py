"""Brings judged samples from a server into a training set."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from tinysphere.operating.export.folder import FolderTarget
from tinysphere.operating.export.label_studio import LabelStudioTarget
from tinysphere.operating.export.parquet import ParquetTarget
from tinysphere.operating.export.records import JudgedSample, Selection
from tinysphere.operating.export.staging import FetchPicture, staged_file, staged_folder


class ExportFormat(StrEnum):
    """What a training set is written as."""

    folder = "folder"
    parquet = "parquet"
    labelstudio = "labelstudio"


class Samples(Protocol):
    """Where judged samples come from."""

    def judged(self, *, drift_event_id: str = "", device_id: str = "") -> Iterator[JudgedSample]:
        """Every judged sample, oldest first."""

    def picture(self, sample_id: str) -> bytes:
        """The picture of a sample that has one."""


class Target(Protocol):
    """What takes the samples."""

    def add(self, sample: JudgedSample) -> None:
        """Write one sample."""

    def finish(self) -> None:
        """Write what stands at the end."""

    def abandon(self) -> None:
        """Close what is open."""


@dataclass(slots=True)
class Tally:
    """How far an export is.

    Attributes:
        taken_count: Samples written.
        unusable_count: Samples that people judged to be unusable; they have no label.
    """

    taken_count: int = 0
    unusable_count: int = 0


def export(
    samples: Samples, selection: Selection, form: ExportFormat, out: Path, *, told: Callable[[Tally], object]
) -> Tally:
    """Write the selected samples to ``out``, which appears when all is written.

    Raises:
        PreconditionError: OUT_EXISTS, or PYARROW_MISSING.
        UnavailableError, InvalidRequestError: As the server answers.
    """
    tally = Tally()
    with _opened(form, out, samples.picture, selection) as target:
        for sample in samples.judged(drift_event_id=selection.drift_event_id, device_id=selection.device_id):
            if not selection.holds(sample):
                continue
            if sample.label:
                target.add(sample)
                tally.taken_count += 1
            else:
                tally.unusable_count += 1
            told(tally)
    return tally


@contextmanager
def _opened(form: ExportFormat, out: Path, fetch: FetchPicture, selection: Selection) -> Iterator[Target]:
    if form is ExportFormat.parquet:
        with staged_file(out) as part, _finished(ParquetTarget(part, fetch)) as target:
            yield target
        return
    make = FolderTarget if form is ExportFormat.folder else LabelStudioTarget
    with staged_folder(out, fetch) as staged, _finished(make(staged, selection)) as target:
        yield target


@contextmanager
def _finished(target: Target) -> Iterator[Target]:
    try:
        yield target
    except BaseException:
        target.abandon()
        raise
    target.finish()
