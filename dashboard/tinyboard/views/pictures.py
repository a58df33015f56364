"""Pictures made ready for the screen: small ones enlarged without blur, large ones cut down for the overview."""

from collections.abc import Callable
from io import BytesIO
from typing import Literal

from PIL import Image

CARD_SIZE_PX = 320
THUMBNAIL_SIZE_PX = 68
MAX_PIXELS = 16_000_000
"""A file of 1 MiB can unpack to far more than a screen shows."""


def card(content: bytes) -> bytes | None:
    """The picture for one sample's card, None when the bytes are no picture that can be shown.

    A small one is enlarged by whole pixels, so that no browser blurs it.
    """

    def enlarged(picture: Image.Image) -> bytes:
        factor = CARD_SIZE_PX // max(picture.size) + 1
        return content if factor == 1 else _as_png(_enlarged(picture, factor))

    return _made(content, enlarged)


def thumbnail(content: bytes) -> bytes | None:
    """The picture for the overview as PNG, None when the bytes are no picture that can be shown.

    Never larger than it is drawn: Streamlit would encode it anew, and at every run.
    """

    def shrunk(picture: Image.Image) -> bytes:
        if max(picture.size) <= THUMBNAIL_SIZE_PX and picture.format == "PNG":
            return content
        picture.thumbnail((THUMBNAIL_SIZE_PX, THUMBNAIL_SIZE_PX))
        return _as_png(picture)

    return _made(content, shrunk)


def format_of(content: bytes) -> Literal["PNG", "JPEG"]:
    """What Streamlit must be told, or it encodes the picture anew at every run."""
    return "PNG" if content.startswith(b"\x89PNG") else "JPEG"


def _made(content: bytes, make: Callable[[Image.Image], bytes]) -> bytes | None:
    try:
        with Image.open(BytesIO(content)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return None
            picture.load()
            return make(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _enlarged(picture: Image.Image, factor: int) -> Image.Image:
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def _as_png(picture: Image.Image) -> bytes:
    target = BytesIO()
    picture.save(target, format="PNG")
    return target.getvalue()
