"""`tinylcm replay`, from the command line to the report."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.tinylcm.builders import KEY, HandClock, labelled_images, novel_images
from tests.tinylcm.bundles import tiny_bundle
from tinylcm.daemon.__main__ import main
from tinylcm.daemon.progress import ProgressBar

CALM_COUNT, NOVEL_COUNT = 300, 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, its key, and an inbox of three recordings: calm, novel, calm again."""
    folder = tmp_path_factory.mktemp("replay")
    tiny_bundle(folder / "tiny.bundle")
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "release.pub.pem").write_bytes(pem)
    inbox = folder / "inbox"
    inbox.mkdir()
    for number, seed in ((1, 11), (3, 12)):
        images, labels = labelled_images(CALM_COUNT, seed=seed)
        np.savez(inbox / f"{number}-calm.npz", frames=images, labels=np.array(labels))
    np.savez(inbox / "2-novel.npz", frames=novel_images(NOVEL_COUNT))
    return folder


def replay(
    folder: Path, stream: Path, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[int, Any, str]:
    """Runs the command; returns its status, its last line as JSON (None after a failure), and stderr."""
    files = ["--bundle", str(folder / "tiny.bundle"), "--trust", str(folder / "release.pub.pem")]
    status = main(["replay", str(stream), *files, "--out", str(folder / "out" / "report.html"), *more])
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    return status, json.loads(lines[-1]) if lines else None, printed.err


def test_a_folder_is_replayed_in_order_and_its_drift_is_found(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, summary, progress = replay(folder, folder / "inbox", capsys)
    assert status == 0
    assert summary["frame_count"] == 2 * CALM_COUNT + NOVEL_COUNT
    assert summary["truth_count"] == 2 * CALM_COUNT
    harm = [drift for drift in summary["drifts"] if drift["cause"] != "PRIOR_SHIFT"]
    assert CALM_COUNT <= harm[0]["detect_index"] < CALM_COUNT + NOVEL_COUNT
    assert harm[0]["recovery_index"] is None or harm[0]["recovery_index"] > CALM_COUNT + NOVEL_COUNT
    assert summary["accuracy"] > 0.9
    assert f"{summary['frame_count']:,} of {summary['frame_count']:,} frames" in progress
    page = Path(summary["report"]).read_text(encoding="utf-8")
    assert f"{harm[0]['detect_index']:,}" in page
    assert "Replay of inbox" in page


def test_the_same_replay_gives_the_same_numbers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (replay(folder, folder / "inbox", capsys)[1] for _ in range(2))
    for summary in (first, second):
        assert summary.pop("elapsed_s") > 0
        assert summary.pop("frames_per_second") > 0
    assert first == second


def test_another_monitor_may_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, summary, _ = replay(folder, folder / "inbox", capsys, "--monitor", "knn_distance.cusum")
    assert {drift["detector"] for drift in summary["drifts"]} == {"knn_distance.cusum"}
    status, _, message = replay(folder, folder / "inbox", capsys, "--monitor", "tea-leaves")
    assert status == 1
    assert "tea-leaves" in message


def test_a_frame_that_does_not_fit_is_counted_and_passed_over(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    images, _ = labelled_images(40, seed=3)
    frames = images.astype(np.float32) / 255
    frames[7, 0, 0] = np.nan
    np.savez(tmp_path / "one-bad.npz", frames=frames)
    status, summary, _ = replay(folder, tmp_path / "one-bad.npz", capsys)
    assert (status, summary["frame_count"], summary["refused_count"]) == (0, 40, 1)
    assert summary["refusals"][0].startswith("frame 7: ")
    assert summary["accuracy"] is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"frames": np.zeros((3, 5, 5, 1), np.uint8)}, "takes none of the frames"),
        ({"frames": np.zeros((3, 4, 4, 1), np.uint8), "labels": np.array(["a"])}, "labels (1,) for 3 frames"),
        ({"frames": np.zeros((3, 4, 4, 1), np.uint8), "labels": np.array([0, 1, 2])}, "class_names"),
        ({"pictures": np.zeros((3, 4, 4, 1), np.uint8)}, "no array named frames or images"),
    ],
)
def test_a_stream_that_cannot_be_replayed_is_refused_with_the_reason(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arrays: dict[str, Any],
    message: str,
) -> None:
    np.savez(tmp_path / "odd.npz", **arrays)
    status, summary, errors = replay(folder, tmp_path / "odd.npz", capsys)
    assert (status, summary) == (1, None)
    assert message in errors


def test_an_empty_folder_and_a_damaged_recording_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert replay(folder, tmp_path, capsys)[0] == 1
    (tmp_path / "1.npz").write_bytes((folder / "inbox" / "1-calm.npz").read_bytes()[:400])
    status, _, errors = replay(folder, tmp_path, capsys)
    assert status == 1
    assert "1.npz is no .npz file" in errors


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_redrawn_on_a_terminal_ten_times_a_second_at_most() -> None:
    clock, terminal = HandClock(), Terminal()
    with ProgressBar(100, "frames", stream=terminal, clock=clock) as progress:
        for _ in range(51):
            clock.forward(0.0625)
            progress.advance("drifts: 1")
    drawn = terminal.getvalue().split("\r")[1:]
    assert len(drawn) == 26
    assert drawn[-1].endswith(" 51%  51 of 100 frames, 16 a second  drifts: 1\n")


def test_a_log_gets_a_line_every_ten_seconds_and_one_at_the_end() -> None:
    clock, log = HandClock(), io.StringIO()
    with ProgressBar(30, "frames", stream=log, clock=clock) as progress:
        for _ in range(25):
            clock.forward(1)
            progress.advance()
    shares = [line.split()[1] for line in log.getvalue().splitlines()]
    assert shares == ["33%", "67%", "83%"]
    assert "\r" not in log.getvalue()
