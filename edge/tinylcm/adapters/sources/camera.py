"""A camera, or anything else that OpenCV can open: a device, a stream of the network, a video file."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinylcm.adapters.sources.live import Captured, Captures, InputShape
from tinylcm.adapters.sources.picture import Fit, find_opencv, fit_picture
from tinylcm.errors import InputError
from tinylcm.ports import Clock

_NETWORK_TIMEOUT_MS = 5000


class Camera:
    """Pictures by `cv2.VideoCapture`.

    Args:
        device: Number of a camera, or the name of a device, file or stream.
        frames_per_second: Most frames in a second; what the camera gives between them is passed over undecoded.
    """

    def __init__(
        self,
        device: str,
        clock: Clock,
        *,
        fit: Fit,
        frames_per_second: float | None,
        input_shape: InputShape,
    ) -> None:
        """Finds OpenCV.

        Raises:
            InputError: It is not installed.
        """
        self._cv2 = find_opencv()
        self._device = device
        self._clock = clock
        self._fit = fit
        self._period_s = 1 / frames_per_second if frames_per_second else 0.0
        self._input_shape = input_shape

    @property
    def name(self) -> str:
        """What it is called in the log."""
        return f"camera {self._device}"

    def check(self) -> str:
        """Takes one picture."""
        with self._opened() as capture:
            capture.grab()
            height, width = _retrieved(capture).shape[:2]
            return f"{self.name} gives pictures of {width} x {height}"

    @contextmanager
    def open(self) -> Iterator[Captures]:
        """Opens the camera; it raises InputError when it gives no more pictures."""
        with self._opened() as capture, closing(self._pictures(capture)) as pictures:
            yield pictures

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        capture = self._new_capture()
        try:
            if not capture.isOpened():
                raise InputError(f"{self.name} cannot be opened")
            yield capture
        finally:
            capture.release()

    def _new_capture(self) -> Any:
        if self._device.isdecimal():
            return self._cv2.VideoCapture(int(self._device))
        if "://" not in self._device:
            return self._cv2.VideoCapture(self._device)
        timeouts = (self._cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, self._cv2.CAP_PROP_READ_TIMEOUT_MSEC)
        parameters = [value for name in timeouts for value in (name, _NETWORK_TIMEOUT_MS)]
        return self._cv2.VideoCapture(self._device, self._cv2.CAP_FFMPEG, parameters)

    def _pictures(self, capture: Any) -> Captures:
        due_s = self._clock.monotonic_s()
        while capture.grab():
            shape, now_s = self._input_shape(), self._clock.monotonic_s()
            if shape is None or now_s < due_s:
                yield None
                continue
            due_s = max(due_s + self._period_s, now_s - self._period_s)
            yield Captured(fit_picture(self._cv2, _retrieved(capture), shape, self._fit))
        raise InputError("it gives no more pictures")


def _retrieved(capture: Any) -> NDArray[np.uint8]:
    is_whole, picture = capture.retrieve()
    if not is_whole or picture is None or picture.dtype != np.uint8:
        raise InputError("it gives no picture that can be read")
    return np.asarray(picture)
