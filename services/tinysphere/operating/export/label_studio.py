"""Label Studio's import format: a task for each picture, with the model's prediction and people's annotation.

images/<sample id>.png      set LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT to the folder that holds them
tasks.json
label_config.xml            the labelling interface the tasks are for
export.json
"""

import json
from typing import Any
from xml.sax.saxutils import quoteattr

from tinysphere.operating.export.folder import described, write_mark
from tinysphere.operating.export.records import JudgedSample, Selection
from tinysphere.operating.export.staging import StagedFolder

IMAGE_PREFIX = "/data/local-files/?d=images/"


class LabelStudioTarget:
    """Takes samples one by one; those without a picture are left out, for there is nothing to look at."""

    def __init__(self, staged: StagedFolder, selection: Selection) -> None:
        self._staged = staged
        self._selection = selection
        self._tasks = (staged.path / "tasks.json").open("w", encoding="utf-8")
        self._labels: set[str] = set()
        self._count = 0

    def add(self, sample: JudgedSample) -> None:
        """Write one task."""
        place = self._staged.place_picture(sample, self._staged.path / "images")
        if place is None:
            return
        self._tasks.write(",\n" if self._count else "[\n")
        self._tasks.write(json.dumps(_task(sample, IMAGE_PREFIX + place.name), sort_keys=True))
        self._count += 1
        self._labels |= {sample.label, sample.predicted_label}

    def finish(self) -> None:
        """Write what stands at the end: the end of the list, and the interface."""
        self._tasks.write("\n]\n" if self._count else "[]\n")
        self._tasks.close()
        path = self._staged.path / "label_config.xml"
        path.write_text(_interface(sorted(self._labels)), encoding="utf-8")
        write_mark(self._staged.path, self._selection, task_count=self._count)

    def abandon(self) -> None:
        """Close what is open."""
        self._tasks.close()


def _task(sample: JudgedSample, image: str) -> dict[str, Any]:
    model = f"{sample.model.model_name} {sample.model.version}".strip()
    prediction = {
        "model_version": model,
        "score": sample.confidence,
        "result": [_choice(sample.predicted_label)],
    }
    return {
        "data": {"image": image, **described(sample)},
        "predictions": [prediction],
        "annotations": [{"result": [_choice(sample.label)]}],
    }


def _choice(label: str) -> dict[str, Any]:
    return {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [label]}}


def _interface(labels: list[str]) -> str:
    choices = "\n".join(f"    <Choice value={quoteattr(label)}/>" for label in labels)
    return (
        '<View>\n  <Image name="image" value="$image"/>\n'
        f'  <Choices name="label" toName="image" choice="single">\n{choices}\n  </Choices>\n</View>\n'
    )
