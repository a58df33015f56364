"""Makes the source that the settings name."""

import threading

from tinylcm.adapters.sources.camera import Camera
from tinylcm.adapters.sources.framed import FrameDecoder
from tinylcm.adapters.sources.live import InputShape, LiveInput, LiveSource
from tinylcm.adapters.sources.picture import Fit
from tinylcm.adapters.sources.readings import WindowDecoder
from tinylcm.adapters.sources.recorded import AtEnd, FolderSource, RecordedStream
from tinylcm.adapters.sources.sensor import ByteStream, Decoder, SensorInput
from tinylcm.adapters.sources.serial_line import SerialLine
from tinylcm.adapters.sources.tally import SourceTally
from tinylcm.adapters.sources.unix_socket import UnixSocket
from tinylcm.ports import Clock, FrameSource
from tinylcm.settings.source import CameraSettings, RecordedSettings, SensorSettings, SourceSettings


def make_source(
    settings: SourceSettings,
    clock: Clock,
    *,
    input_shape: InputShape,
    tally: SourceTally,
    stopping: threading.Event,
) -> FrameSource:
    """Returns the source; its `check` tells whether frames can come from it.

    Args:
        input_shape: Tells what the running model takes; live sources shape their frames after it.
        stopping: Set when the device is stopping.

    Raises:
        InputError: The recording cannot be read, or a library is missing.
    """
    if isinstance(settings, RecordedSettings):
        return _recorded(settings, clock, tally, stopping)
    live_input: LiveInput
    if isinstance(settings, CameraSettings):
        live_input = _camera(settings, clock, input_shape)
    else:
        live_input = _sensor(settings, clock, input_shape, tally)
    return LiveSource(live_input, clock, input_shape=input_shape, tally=tally, wait=stopping.wait)


def check_source(settings: SourceSettings, clock: Clock) -> str:
    """Tries the source for a moment, and says in a sentence what was found; not beside a device that runs.

    Raises:
        InputError: Frames cannot come from it.
        OSError: It cannot be opened.
    """
    source = make_source(
        settings, clock, input_shape=lambda: None, tally=SourceTally(), stopping=threading.Event()
    )
    return source.check()


def _recorded(
    settings: RecordedSettings, clock: Clock, tally: SourceTally, stopping: threading.Event
) -> FrameSource:
    at_end, rate = AtEnd(settings.at_end), settings.frames_per_second
    if settings.kind == "recording":
        return RecordedStream(settings.path, clock, at_end=at_end, frames_per_second=rate)
    return FolderSource(
        settings.path, clock, at_end=at_end, frames_per_second=rate, tally=tally, wait=stopping.wait
    )


def _camera(settings: CameraSettings, clock: Clock, input_shape: InputShape) -> Camera:
    return Camera(
        settings.device,
        clock,
        fit=Fit(settings.fit),
        frames_per_second=settings.frames_per_second,
        input_shape=input_shape,
    )


def _sensor(
    settings: SensorSettings, clock: Clock, input_shape: InputShape, tally: SourceTally
) -> SensorInput:
    def decoder(shape: tuple[int, ...], starts_midway: bool) -> Decoder:
        if settings.format == "frames":
            return FrameDecoder(shape, tally, clock)
        return WindowDecoder(shape, tally, hop_readings=settings.hop_readings, starts_midway=starts_midway)

    stream: ByteStream
    if settings.baud_rate is None:
        stream = UnixSocket(settings.path)
    else:
        stream = SerialLine(settings.path, baud_rate=settings.baud_rate)
    return SensorInput(stream, decoder, input_shape=input_shape)
