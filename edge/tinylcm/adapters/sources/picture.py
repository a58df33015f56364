"""Brings a picture of a camera or a file to what the model takes."""

from enum import Enum
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinylcm.errors import InputError


class Fit(Enum):
    """How a picture of another aspect ratio is brought to the model's: its middle, or all of it out of shape."""

    CROP = "crop"
    STRETCH = "stretch"


def find_opencv() -> Any:
    """Returns the module `cv2`, silenced.

    Raises:
        InputError: It is not installed.
    """
    try:
        cv2 = import_module("cv2")
    except ImportError as error:
        raise InputError("pictures need OpenCV; install tinymlops[camera]") from error
    log = cv2.utils.logging
    log.setLogLevel(log.LOG_LEVEL_SILENT)  # what matters is raised; a camera that is away would fill the log
    return cv2


def fit_picture(cv2: Any, picture: NDArray[np.uint8], shape: tuple[int, ...], fit: Fit) -> NDArray[np.uint8]:
    """Returns a picture as ``(height, width, channels) uint8``, grey or RGB.

    Args:
        cv2: The module.
        picture: ``(h, w, 3) uint8`` in OpenCV's order, blue first, or grey ``(h, w)``.
        shape: The model's input; one or three channels.

    Raises:
        InputError: The model takes no pictures.
    """
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise InputError(f"the model takes {shape}; pictures are (height, width, 1) or (height, width, 3)")
    height, width, channel_count = shape
    if fit is Fit.CROP:
        picture = _middle(picture, width / height)
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    is_grey = picture.ndim == 2
    if channel_count == 1:
        grey = picture if is_grey else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        return np.asarray(grey[:, :, None], np.uint8)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB if is_grey else cv2.COLOR_BGR2RGB), np.uint8)


def _middle(picture: NDArray[np.uint8], aspect: float) -> NDArray[np.uint8]:
    """The largest part around the centre whose width is ``aspect`` times its height."""
    height, width = picture.shape[:2]
    kept_height, kept_width = min(height, round(width / aspect)), min(width, round(height * aspect))
    top, left = (height - kept_height) // 2, (width - kept_width) // 2
    return picture[top : top + max(kept_height, 1), left : left + max(kept_width, 1)]
