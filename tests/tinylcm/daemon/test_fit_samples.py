"""`tinylcm fit --samples`: what people judged at the server becomes a part of the next model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tinylcm.builders import labelled_images, novel_images, tiny_model
from tests.tinylcm.daemon.test_commands import output
from tinylcm.adapters.png import PngEncoder
from tinylcm.adapters.tflite import TfliteExtractor
from tinylcm.daemon.__main__ import main

SPACE = hashlib.sha256(tiny_model()).hexdigest()
OTHER_SPACE = hashlib.sha256(b"another extractor").hexdigest()
COUNT = 30


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Keys, labelled pictures, and an extractor."""
    images, names = labelled_images(120)
    np.savez(tmp_path / "reference.npz", images=images[..., 0], labels=np.array(names))
    (tmp_path / "model.tflite").write_bytes(tiny_model())
    keys = ["--private", f"{tmp_path}/key.pem", "--public", f"{tmp_path}/pub.pem"]
    assert main(["bundle", "keygen", *keys]) == 0
    capsys.readouterr()
    return tmp_path


def export(folder: Path, images: np.ndarray, *, space: str, pictures: bool) -> list[dict[str, Any]]:
    """What `tinysphere export` writes of pictures judged to be a new class."""
    extractor = TfliteExtractor(tiny_model(), thread_count=1)
    vectors = np.stack([extractor.extract(image) for image in images])
    (folder / "embeddings").mkdir(parents=True)
    (folder / "samples" / "novel").mkdir(parents=True)
    np.save(folder / "embeddings" / f"{space}.npy", vectors)
    lines = []
    for row, image in enumerate(images):
        picture = PngEncoder().encode(image)
        assert picture is not None
        name = f"samples/novel/{row}.png"
        if pictures:
            (folder / name).write_bytes(picture.content)
        lines.append(
            {
                "sample_id": str(row),
                "label": "novel",
                "device_id": "camera-1",
                "drift_event_id": "",
                "feature_space": space,
                "embedding_row": row,
                "picture": name if pictures else None,
            }
        )
    write(folder, lines)
    return lines


def write(folder: Path, lines: Sequence[object]) -> None:
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def fit(folder: Path, *options: str, out: str = "tiny.bundle") -> int:
    return main(
        [
            *("fit", *options, "--extractor", f"{folder}/model.tflite", "--name", "tiny"),
            *("--key", f"{folder}/key.pem", "--components", "4", "--budget-predictions", "1000"),
            *("--release-counter", "2", "--out", f"{folder}/{out}"),
        ]
    )


def test_judged_samples_join_the_labelled_ones_by_vector_or_by_picture(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = novel_images(COUNT)
    export(folder / "same", images, space=SPACE, pictures=False)
    export(folder / "other", images, space=OTHER_SPACE, pictures=True)
    reference = ("--images", f"{folder}/reference.npz")
    metrics = {}
    for name in ("same", "other"):
        assert fit(folder, *reference, "--samples", f"{folder}/{name}", out=f"{name}.bundle") == 0
        metrics[name] = output(capsys)["metrics"]
    assert metrics["same"] == metrics["other"], "the vector is what the picture gives"
    assert metrics["same"]["reference_sample_count"] == 120 + COUNT  # type: ignore[index]  # JSON
    assert metrics["same"]["exported_sample_count"] == COUNT  # type: ignore[index]  # JSON
    assert main(["bundle", "inspect", f"{folder}/same.bundle"]) == 0
    assert output(capsys)["class_names"] == ["novel", "row-0", "row-1", "row-2"]
    assert (folder / "same.bundle").read_bytes() == (folder / "other.bundle").read_bytes()


def test_several_exports_are_enough_by_themselves(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, names = labelled_images(120)
    lines = export(folder / "known", images, space=SPACE, pictures=False)
    write(folder / "known", [line | {"label": name} for line, name in zip(lines, names, strict=True)])
    export(folder / "novel", novel_images(COUNT), space=SPACE, pictures=False)
    assert fit(folder, "--samples", f"{folder}/known", "--samples", f"{folder}/novel") == 0
    assert output(capsys)["metrics"]["exported_sample_count"] == 120 + COUNT  # type: ignore[index]  # JSON


def test_a_vector_of_another_extractor_without_a_picture_is_left_out_and_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(folder / "other", novel_images(COUNT), space=OTHER_SPACE, pictures=False)
    reference = ("--images", f"{folder}/reference.npz")
    assert fit(folder, *reference, "--samples", f"{folder}/other") == 1
    assert "no sample with a picture" in capsys.readouterr().err
    export(folder / "same", novel_images(COUNT), space=SPACE, pictures=False)
    lines = (folder / "same" / "manifest.jsonl").read_text().splitlines()
    foreign = json.dumps(json.loads(lines[0]) | {"feature_space": OTHER_SPACE})
    (folder / "same" / "manifest.jsonl").write_text("\n".join([*lines, foreign]) + "\n")
    assert fit(folder, *reference, "--samples", f"{folder}/same") == 0
    assert output(capsys)["metrics"]["exported_left_out_count"] == 1  # type: ignore[index]  # JSON


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"label": ""}, "label: expected"),
        ({"label": "x" * 65}, "label: expected"),
        ({"label": 7}, "label: expected"),
        ({"embedding_row": COUNT}, "embedding_row: expected"),
        ({"embedding_row": -1}, "embedding_row: expected"),
        ({"feature_space": OTHER_SPACE, "picture": "../reference.npz"}, "outside the folder"),
        ({"feature_space": OTHER_SPACE, "picture": "/etc/passwd"}, "outside the folder"),
    ],
)
def test_what_cannot_be_learnt_from_names_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], told: str
) -> None:
    assert_refused(folder, capsys, changes, told)


@pytest.mark.parametrize(
    ("picture", "told"), [("samples/novel/none.png", "No such file"), ("manifest.jsonl", "no picture")]
)
def test_a_picture_that_cannot_be_read_names_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str], picture: str, told: str
) -> None:
    assert_refused(folder, capsys, {"feature_space": OTHER_SPACE, "picture": picture}, told)


def assert_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], told: str
) -> None:
    lines = export(folder / "set", novel_images(COUNT), space=SPACE, pictures=True)
    write(folder / "set", [lines[0], lines[1] | changes])
    assert fit(folder, "--samples", f"{folder}/set") == 1
    said = capsys.readouterr().err
    assert "set/manifest.jsonl, line 2" in said
    assert told in said


def test_other_folders_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(folder) == 1
    assert "nothing to learn from" in capsys.readouterr().err
    (folder / "empty").mkdir()
    assert fit(folder, "--samples", f"{folder}/empty") == 1
    assert "has no manifest.jsonl" in capsys.readouterr().err
