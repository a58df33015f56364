"""OpenCV opens a video file as it opens a camera, so that these pictures are real and known."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from tests.tinylcm.adapters.sources.conftest import Reader
from tests.tinylcm.builders import HandClock
from tinylcm.adapters.sources.camera import Camera
from tinylcm.adapters.sources.picture import Fit, fit_picture
from tinylcm.errors import InputError

cv2 = pytest.importorskip("cv2", reason="the extra [camera] is not installed")
HEIGHT, WIDTH, COUNT = 48, 96, 6
RED, BLUE = 200, 30


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures without loss: red and blue are constant, green tells their number, the edges are black."""
    path = tmp_path_factory.mktemp("video") / "camera.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), 10, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for number in range(COUNT):
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        picture[:, WIDTH // 4 : -WIDTH // 4] = (BLUE, 40 * number, RED)
        writer.write(picture)
    writer.release()
    return path


def camera(
    video: Path,
    shape: tuple[int, ...],
    *,
    fit: Fit = Fit.CROP,
    rate: float | None = None,
    clock: HandClock | None = None,
) -> Camera:
    return Camera(
        str(video), clock or HandClock(), fit=fit, frames_per_second=rate, input_shape=lambda: shape
    )


def test_pictures_come_in_the_colours_and_the_size_of_the_model(video: Path) -> None:
    with camera(video, (12, 12, 3)).open() as captures:
        pictures = [captured.content for captured in islice(captures, COUNT) if captured is not None]

    assert [int(picture[6, 6, 1]) for picture in pictures] == pytest.approx(
        [40 * number for number in range(COUNT)], abs=2
    )
    for picture in pictures:
        assert (picture.shape, picture.dtype) == ((12, 12, 3), np.uint8)
        assert np.abs(picture[:, :, 0].astype(int) - RED).max() <= 2, (
            "the middle of a wide picture has no edge"
        )
        assert np.abs(picture[:, :, 2].astype(int) - BLUE).max() <= 2


def test_a_grey_model_gets_the_luminance(video: Path) -> None:
    with camera(video, (12, 12, 1)).open() as captures:
        captured = next(captures)

    assert captured is not None
    assert captured.content.shape == (12, 12, 1)
    assert np.abs(captured.content - (0.299 * RED + 0.114 * BLUE)).max() <= 3


def test_a_stretched_picture_keeps_its_edges(video: Path) -> None:
    with camera(video, (12, 12, 3), fit=Fit.STRETCH).open() as captures:
        captured = next(captures)

    assert captured is not None
    assert captured.content[:, :2].max() <= 2
    assert captured.content[:, 5, 0].min() >= RED - 2


@pytest.mark.parametrize("shape", [(9, 9), (9, 9, 2), (50, 6)])
def test_a_model_that_takes_no_pictures_is_named(video: Path, shape: tuple[int, ...]) -> None:
    with camera(video, shape).open() as captures, pytest.raises(InputError, match="the model takes"):
        next(captures)


def test_what_comes_too_fast_is_passed_over(video: Path) -> None:
    clock = HandClock()
    taken = []
    with camera(video, (12, 12, 3), rate=10, clock=clock).open() as captures:
        for captured in islice(captures, COUNT):
            taken.append(captured is not None)
            clock.forward(0.05)

    assert taken == [True, False] * 3


def test_a_camera_that_ends_is_opened_again(reader: Reader, video: Path) -> None:
    reader.start(camera(video, (12, 12, 3)), first_index=100)
    reader.wait_for(lambda: len(reader.frames) > COUNT)

    assert reader.tally.outages >= 1
    assert [frame.source_index for frame in reader.frames[: COUNT + 1]] == list(range(100, 107))


def test_a_camera_that_appears_late_is_waited_for(reader: Reader, video: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.avi"
    reader.start(camera(late, (12, 12, 3)))
    reader.wait_for(lambda: reader.tally.outages == 1)
    late.symlink_to(video)
    reader.wait_for(lambda: len(reader.frames) >= COUNT)


def test_a_check_tells_what_there_is(video: Path, tmp_path: Path) -> None:
    assert camera(video, (12, 12, 3)).check().endswith(f"pictures of {WIDTH} x {HEIGHT}")
    with pytest.raises(InputError, match=r"nothing\.avi cannot be opened"):
        camera(tmp_path / "nothing.avi", (12, 12, 3)).check()
    (tmp_path / "text.avi").write_text("no video")
    with pytest.raises(InputError):
        camera(tmp_path / "text.avi", (12, 12, 3)).check()


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (7, 13)])
@pytest.mark.parametrize("channel_count", [1, 3])
def test_any_picture_fits(size: tuple[int, int], channel_count: int) -> None:
    for picture in (np.full(size, 9, np.uint8), np.full((*size, 3), 9, np.uint8)):
        for fit in Fit:
            fitted = fit_picture(cv2, picture, (5, 4, channel_count), fit)
            assert fitted.shape == (5, 4, channel_count)
            assert (fitted == 9).all()
