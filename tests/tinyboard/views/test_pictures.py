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


def test_tiny_pictures_grow_by_whole_pixels() -> None:
    assert size(pictures.card(png(28, 28))) == (336, 336)
    assert size(pictures.thumbnail(png(28, 14))) == (84, 42)


def test_large_pictures_stay_on_the_card_and_shrink_in_the_overview() -> None:
    large = png(640, 480)
    assert pictures.card(large) == large
    assert size(pictures.thumbnail(large)) == (72, 54)


@pytest.mark.parametrize("content", [b"", b"no picture", png()[:40], png(5_000, 5_000)])
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    assert pictures.card(content) is None
    assert pictures.thumbnail(content) is None
