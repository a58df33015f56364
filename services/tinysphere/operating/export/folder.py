"""A training set as a folder: one folder a class, a manifest, and the embeddings beside.

samples/<class>/<sample id>.png     pictures; features-only samples have none
embeddings/<feature space>.npy      (n, d) float32
manifest.jsonl                      a line for each sample
export.json                         what was asked, and how much there is
"""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from tinysphere.domain.devices import ModelReference
from tinysphere.operating.export.names import folder_name
from tinysphere.operating.export.records import JudgedSample, Selection
from tinysphere.operating.export.staging import MARK, StagedFolder
from tinysphere.operating.export.vectors import VectorFiles

FORMAT = "tinysphere-export/1"
MANIFEST = "manifest.jsonl"


class FolderTarget:
    """Takes samples one by one."""

    def __init__(self, staged: StagedFolder, selection: Selection) -> None:
        self._staged = staged
        self._selection = selection
        self._vectors = VectorFiles(staged.path / "embeddings")
        self._manifest = (staged.path / MANIFEST).open("w", encoding="utf-8")
        self._classes: Counter[str] = Counter()

    def add(self, sample: JudgedSample) -> None:
        """Write one sample."""
        place = self._staged.place_picture(sample, self._staged.path / "samples" / folder_name(sample.label))
        line = described(sample) | {
            "picture": place.relative_to(self._staged.path).as_posix() if place else None,
            "sha256": _sha256(place) if place else None,
            "embedding_row": self._vectors.add(sample.model.feature_space, sample.embedding),
        }
        self._manifest.write(json.dumps(line, sort_keys=True) + "\n")
        self._classes[sample.label] += 1

    def finish(self) -> None:
        """Write what stands at the end: the counts."""
        self._manifest.close()
        write_mark(
            self._staged.path,
            self._selection,
            classes=dict(sorted(self._classes.items())),
            feature_spaces=self._vectors.finish(),
        )

    def abandon(self) -> None:
        """Close what is open."""
        self._manifest.close()


def described(sample: JudgedSample) -> dict[str, Any]:
    """What every format says of a sample, but for its picture and vector."""
    return {
        "sample_id": sample.sample_id,
        "label": sample.label,
        "decision": sample.decision.value,
        "predicted_label": sample.predicted_label,
        "confidence": sample.confidence,
        "device_id": sample.device_id,
        "drift_event_id": sample.drift_event_id,
        "capture_time": sample.capture_time.isoformat(),
        **_model(sample.model),
    }


def write_mark(folder: Path, selection: Selection, **figures: Any) -> None:
    """Write what makes the folder known as an export. It tells no time: the same samples make the same bytes."""
    asked = {
        "model_name": selection.model_name,
        "feature_space": selection.feature_space,
        "drift_event_id": selection.drift_event_id,
        "device_id": selection.device_id,
        "since": selection.since.isoformat() if selection.since else None,
    }
    content = {"format": FORMAT, "selection": asked, **figures}
    (folder / MARK).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _model(model: ModelReference) -> dict[str, Any]:
    return {
        "model_name": model.model_name,
        "model_version": model.version,
        "bundle_sha256": model.bundle_sha256,
        "feature_space": model.feature_space,
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
