"""The card beside every model file: what it takes and gives, how it was made, how good it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tools.models.embedding import Extractor

MODEL_FILE = "model.tflite"
CARD_FILE = "card.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """One JSON object per model; `input` and `output` are read from the file itself."""

    name: str
    sha256: str
    size_bytes: int
    license: str
    input: Mapping[str, object]
    output: Mapping[str, object]
    quantization: str
    training: Mapping[str, object]
    evaluation: Mapping[str, object]
    tool_versions: Mapping[str, str]

    def write(self, folder: Path) -> None:
        (folder / CARD_FILE).write_text(json.dumps(asdict(self), indent=2) + "\n")


def describe_model(
    folder: Path,
    *,
    license: str,
    quantization: str,
    training: Mapping[str, object],
    evaluation: Mapping[str, object],
    tools: Sequence[str],
    input_range: str = "pixel / 255, so 0 to 1 before quantisation",
) -> ModelCard:
    """Make the card of ``folder/model.tflite``; `tools` are the distributions whose versions it records."""
    content = (folder / MODEL_FILE).read_bytes()
    extractor = Extractor(folder / MODEL_FILE)
    return ModelCard(
        name=folder.name,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        license=license,
        input=describe_tensor(extractor.input) | {"range": input_range},
        output=describe_tensor(extractor.output),
        quantization=quantization,
        training=training,
        evaluation=evaluation,
        tool_versions={tool: version(tool) for tool in tools},
    )


def describe_tensor(tensor: Mapping[str, Any]) -> dict[str, object]:
    """Type, shape and quantisation of an input or output; scale 0 means that it is not quantised."""
    scale, zero_point = tensor["quantization"]
    return {
        "dtype": tensor["dtype"].__name__,
        "shape": [int(size) for size in tensor["shape"]],
        "scale": float(scale),
        "zero_point": int(zero_point),
    }
