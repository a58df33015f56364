"""`tinysphere export` against a real drift service: what is written, hostile labels, interruptions, repetition."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from tests.tinysphere.drift.builders import (
    JPEG,
    SPACE,
    START,
    embedding_message,
    sample_message,
    timestamp,
    uuid,
    verdict_message,
)
from tests.tinysphere.ingestion.conftest import DriftService
from tinymlops.v1 import device_pb2, drift_pb2, drift_service_pb2
from tinysphere.__main__ import app
from tinysphere.domain.devices import ModelReference
from tinysphere.domain.drift import Decision, ImageFormat
from tinysphere.errors import DamagedDataError, UnavailableError
from tinysphere.operating.client.samples import SamplesClient
from tinysphere.operating.export.names import MAX_CHARACTERS, folder_name
from tinysphere.operating.export.records import JudgedSample, Selection
from tinysphere.operating.export.run import ExportFormat, export

PNG = b"\x89PNG\r\n\x1a\n" + bytes(300 * 1024)
OTHER_SPACE = hashlib.sha256(b"another extractor").hexdigest()
HOSTILE = [
    "../../../evil",
    "/etc/evil",
    "a/b\\c",
    "..",
    "nul\u202e",
    "line\nbreak",
    "-rf",
    "CON",
    "Bag",
    "BAG ",
    "\U0001f45c" * 64,
    '"/><x>&',
    "manifest.jsonl",
]

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(drift_service: DriftService) -> Run:
    def call(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["export", *arguments, "--server", drift_service[0]])
        return result.exit_code, result.output + (repr(result.exception) if result.exit_code else "")

    return call


def picture(number: int) -> dict[str, Any]:
    kind = drift_pb2.IMAGE_FORMAT_PNG if number % 2 else drift_pb2.IMAGE_FORMAT_JPEG
    return {"image": (PNG if number % 2 else JPEG) + bytes([number]), "image_format": kind}


def fill(drift_service: DriftService, labels: list[str]) -> None:
    """Samples 1 to n judged so, every third without a picture; then one unusable, and one that waits."""
    _, stub = drift_service
    count = len(labels)
    samples = [
        sample_message(
            number,
            embedding=embedding_message(number, -number),
            **(picture(number) if number % 3 else {}),
        )
        for number in range(1, count + 3)
    ]
    for sample in samples:
        stub.ReportSamples(drift_service_pb2.ReportSamplesRequest(samples=[sample]))
    verdicts = [verdict_message(number, label=label) for number, label in enumerate(labels, 1)]
    unusable = verdict_message(count + 1, decision=drift_pb2.DECISION_UNUSABLE, label="")
    stub.SubmitVerdicts(drift_service_pb2.SubmitVerdictsRequest(verdicts=[*verdicts, unusable]))


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_folder_holds_pictures_by_class_a_manifest_and_the_vectors(
    drift_service: DriftService, run: Run, tmp_path: Path
) -> None:
    fill(drift_service, ["bag", "shirt", "bag", "boot"])
    out = tmp_path / "set"
    code, told = run(str(out))
    assert (code, told.splitlines()[-1]) == (0, f"4 samples in {out}; 1 unusable ones left out")
    first, second, third, fourth = lines(out)
    assert [line["label"] for line in lines(out)] == ["bag", "shirt", "bag", "boot"]
    assert first == {
        "sample_id": uuid(1001),
        "label": "bag",
        "decision": "NEW_LABEL",
        "predicted_label": "shirt",
        "confidence": 0.6,
        "device_id": "camera-1",
        "drift_event_id": uuid(1),
        "capture_time": (START + timedelta(seconds=1)).isoformat(),
        "model_name": "fashion",
        "model_version": 1,
        "bundle_sha256": first["bundle_sha256"],
        "feature_space": SPACE,
        "picture": f"samples/bag/{uuid(1001)}.png",
        "sha256": hashlib.sha256(PNG + b"\1").hexdigest(),
        "embedding_row": 0,
    }
    assert (out / first["picture"]).read_bytes() == PNG + b"\1"
    assert second["picture"] == f"samples/shirt/{uuid(1002)}.jpg"
    assert (third["picture"], third["sha256"]) == (None, None)
    vectors = np.load(out / "embeddings" / f"{SPACE}.npy", allow_pickle=False)
    assert vectors.dtype == np.float32
    assert vectors[[fourth["embedding_row"], 0]].tolist() == [[4.0, -4.0], [1.0, -1.0]]
    mark = json.loads((out / "export.json").read_text())
    assert mark["classes"] == {"bag": 2, "boot": 1, "shirt": 1}
    assert mark["feature_spaces"] == {SPACE: {"dimension_count": 2, "sample_count": 4}}


def test_repeating_it_writes_the_same_bytes_and_replaces_nothing_else(
    drift_service: DriftService, run: Run, tmp_path: Path
) -> None:
    fill(drift_service, ["bag", "shirt"])
    out = tmp_path / "set"
    run(str(out))
    before = contents(out)
    assert run(str(out))[0] == 0
    assert contents(out) == before
    assert [path.name for path in tmp_path.iterdir() if "set" in path.name] == ["set"]
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    code, told = run(str(other))
    assert code == 1
    assert "OUT_EXISTS" in told or "is no export" in told
    assert (other / "thesis.txt").read_text() == "years of work"


def test_labels_never_leave_the_folder_and_never_share_one(
    drift_service: DriftService, run: Run, tmp_path: Path
) -> None:
    fill(drift_service, HOSTILE)
    before = {path for path in tmp_path.rglob("*") if "set" not in path.parts[-1]}
    out = tmp_path / "deep" / "er" / "set"
    assert run(str(out))[0] == 0
    written = lines(out)
    assert len(written) == len(HOSTILE)
    for line in written:
        if line["picture"]:
            place = (out / line["picture"]).resolve()
            assert place.is_relative_to((out / "samples").resolve())
            assert re.fullmatch(rf"{line['sample_id']}\.(png|jpg)", place.name)
    outside = {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "deep")}
    assert {path for path in outside if "evil" in path.name} == set()
    assert before <= outside
    names = [folder_name(label) for label in {*HOSTILE, "bag", "b%61g", "\U0001f45c" * 63}]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= MAX_CHARACTERS


def test_only_what_is_asked_for_is_exported(drift_service: DriftService, run: Run, tmp_path: Path) -> None:
    fill(drift_service, ["bag", "shirt"])
    _, stub = drift_service
    other = sample_message(
        50,
        device_id="camera-2",
        drift_event_id=uuid(2),
        capture_time=timestamp(START + timedelta(days=1)),
        model=device_pb2.ModelReference(model_name="boots", version=2, feature_space=OTHER_SPACE),
        embedding=embedding_message(1.0, 2.0, 3.0, feature_space=OTHER_SPACE),
    )
    stub.ReportSamples(drift_service_pb2.ReportSamplesRequest(samples=[other]))
    stub.SubmitVerdicts(drift_service_pb2.SubmitVerdictsRequest(verdicts=[verdict_message(50)]))
    for number, asked in enumerate(
        [
            ("--model", "boots"),
            ("--feature-space", OTHER_SPACE),
            ("--device", "camera-2"),
            ("--event", uuid(2)),
            ("--since", "2026-11-23T00:00:00"),
        ]
    ):
        out = tmp_path / str(number)
        assert run(str(out), *asked)[0] == 0
        assert [line["sample_id"] for line in lines(out)] == [uuid(1050)]
    assert run(str(tmp_path / "all"))[0] == 0
    assert sorted(path.stem for path in (tmp_path / "all" / "embeddings").iterdir()) == sorted(
        [SPACE, OTHER_SPACE]
    )
    assert run(str(tmp_path / "no"), "--feature-space", "../x")[0] == 1


def test_parquet_holds_the_same(drift_service: DriftService, run: Run, tmp_path: Path) -> None:
    fill(drift_service, ["bag", "shirt", "bag"])
    out = tmp_path / "set.parquet"
    assert run(str(out), "--format", "parquet")[0] == 0
    rows = parquet.read_table(out).to_pylist()
    assert [row["label"] for row in rows] == ["bag", "shirt", "bag"]
    assert rows[0]["image"] == PNG + b"\1"
    assert (rows[1]["image_format"], rows[2]["image"]) == ("JPEG", None)
    assert rows[2]["embedding"] == [3.0, -3.0]
    assert rows[0]["capture_time"] == START + timedelta(seconds=1)
    assert run(str(tmp_path), "--format", "parquet")[0] == 1  # a folder


def test_label_studio_reads_tasks_with_predictions_and_annotations(
    drift_service: DriftService, run: Run, tmp_path: Path
) -> None:
    fill(drift_service, ["bag", '"/><x>&', "features only"])
    out = tmp_path / "tasks"
    assert run(str(out), "--format", "labelstudio")[0] == 0
    tasks = json.loads((out / "tasks.json").read_text())
    assert [task["annotations"][0]["result"][0]["value"]["choices"] for task in tasks] == [
        ["bag"],
        ['"/><x>&'],
    ]
    first = tasks[0]
    assert first["predictions"][0]["result"][0]["value"]["choices"] == ["shirt"]
    assert (first["predictions"][0]["score"], first["predictions"][0]["model_version"]) == (0.6, "fashion 1")
    assert first["data"]["image"] == f"/data/local-files/?d=images/{uuid(1001)}.png"
    assert (out / "images" / f"{uuid(1001)}.png").read_bytes() == PNG + b"\1"
    interface = ElementTree.parse(out / "label_config.xml").getroot()
    assert [choice.get("value") for choice in interface.iter("Choice")] == ['"/><x>&', "bag", "shirt"]
    nothing = tmp_path / "nothing"
    assert run(str(nothing), "--format", "labelstudio", "--device", "camera-9")[0] == 0
    assert json.loads((nothing / "tasks.json").read_text()) == []


class Interrupted:
    """A server that goes away after so many pictures."""

    def __init__(self, client: SamplesClient, left: int) -> None:
        self.client = client
        self.left = left
        self.fetched = 0

    def judged(self, *, drift_event_id: str = "", device_id: str = "") -> Iterator[JudgedSample]:
        return self.client.judged(drift_event_id=drift_event_id, device_id=device_id)

    def picture(self, sample_id: str) -> bytes:
        if self.fetched >= self.left:
            raise UnavailableError("UNAVAILABLE", "gone", retry_after_s=1)
        self.fetched += 1
        return self.client.picture(sample_id)


def test_an_interrupted_export_goes_on_and_nothing_is_seen_before_its_end(
    drift_service: DriftService, run: Run, tmp_path: Path
) -> None:
    fill(drift_service, ["bag", "shirt", "bag", "boot", "bag"])
    out, whole = tmp_path / "set", tmp_path / "whole"
    client = SamplesClient(drift_service[0])
    with pytest.raises(UnavailableError):
        export(Interrupted(client, 2), Selection(), ExportFormat.folder, out, told=print)
    assert not out.exists()
    again = Interrupted(client, 99)
    export(again, Selection(), ExportFormat.folder, out, told=print)
    assert again.fetched == 2  # of four pictures
    run(str(whole))
    assert contents(out) == contents(whole)
    client.close()


class Lying:
    """A server whose picture is none."""

    def judged(self, *, drift_event_id: str = "", device_id: str = "") -> Iterator[JudgedSample]:
        yield JudgedSample(
            sample_id=uuid(1),
            device_id="camera-1",
            drift_event_id="",
            model=ModelReference(model_name="fashion", feature_space=SPACE),
            capture_time=START,
            predicted_label="shirt",
            confidence=1.0,
            decision=Decision.NEW_LABEL,
            label="bag",
            embedding=np.zeros(2, dtype=np.float32),
            image_format=ImageFormat.PNG,
        )

    def picture(self, sample_id: str) -> bytes:
        return b"#!/bin/sh"


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedDataError, match="is no PNG"):
        export(Lying(), Selection(), ExportFormat.folder, tmp_path / "set", told=print)
    assert not (tmp_path / "set").exists()
