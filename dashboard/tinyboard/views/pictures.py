"""Pictures made ready for the screen: small ones enlarged without blur, large ones cut down for the overview."""

from io import BytesIO

from PIL import Image

CARD_SIZE_PX = 320
THUMBNAIL_SIZE_PX = 72
MAX_PIXELS = 16_000_000
"""A file of 1 MiB can unpack to far more than a screen shows."""


def card(content: bytes) -> bytes | None:
    """The picture for one sample's card; None when the bytes are no picture that can be shown."""
    return _scaled(content, CARD_SIZE_PX, shrink=False)


def thumbnail(content: bytes) -> bytes | None:
    """The picture for the overview; None when the bytes are no picture that can be shown."""
    return _scaled(content, THUMBNAIL_SIZE_PX, shrink=True)


def _scaled(content: bytes, size_px: int, *, shrink: bool) -> bytes | None:
    """As PNG; enlarged by whole pixels until the longer side is `size_px`, so that no browser blurs it."""
    try:
        with Image.open(BytesIO(content)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return None
            picture.load()
            if max(picture.size) < size_px:
                return _as_png(_enlarged(picture, -(-size_px // max(picture.size))))
            if shrink:
                picture.thumbnail((size_px, size_px))
            return _as_png(picture) if shrink else content
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _enlarged(picture: Image.Image, factor: int) -> Image.Image:
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def _as_png(picture: Image.Image) -> bytes:
    target = BytesIO()
    picture.save(target, format="PNG")
    return target.getvalue()
