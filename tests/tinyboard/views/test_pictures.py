"""Pictures from devices, shown or refused."""

from io import BytesIO

import pytest
from PIL import Image

from tests.tinyboard.builders import png
from tinyboard.views import pictures


def size(content: bytes | None) -> tuple[int, int]:
    assert content is not None
    with Image.open(BytesIO(content)) as opened:
        return opened.size


def test_tiny_pictures_grow_by_whole_pixels_on_the_card() -> None:
    assert size(pictures.card(png(28, 28))) == (336, 336)
    assert size(pictures.card(png(20, 10))) == (340, 170)


def test_large_pictures_stay_as_they_are_on_the_card() -> None:
    large = png(640, 480)
    assert pictures.card(large) == large


def test_thumbnails_are_never_larger_than_they_are_drawn() -> None:
    assert pictures.thumbnail(png(28, 28)) == png(28, 28)
    assert size(pictures.thumbnail(png(640, 480))) == (68, 51)


@pytest.mark.parametrize("content", [b"", b"no picture", png()[:40], png(5_000, 5_000)])
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    assert pictures.card(content) is None
    assert pictures.thumbnail(content) is None
