"""Records of one simulated device, as messages of the contract."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tinymlops.v1 import device_pb2, drift_pb2, package_pb2
from tinysphere.simulator.script.chance import chance, make_id
from tinysphere.simulator.script.classes import (
    DIMENSION_COUNT,
    FEATURE_SPACE,
    KNOWN,
    centres,
    classify,
    sample_points,
)
from tinysphere.simulator.script.clocks import EARLIEST
from tinysphere.simulator.script.packing import to_timestamp

_PNG = b"\x89PNG\r\n\x1a\n"
_THRESHOLD = 12.5
_METRICS = (
    "latency_ms.total",
    "latency_ms.extract",
    "memory_bytes",
    "load",
    "temperature_c",
    "quarantine_count",
)
_LEVELS = ("INFO", "INFO", "INFO", "WARNING", "ERROR")
_SPACING = timedelta(milliseconds=250)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a record needs to know of its device: its names draw the record's numbers.

    Attributes:
        names: The fleet's seed and the device's number.
        ordinal: Counts the packages of the device, so that each has numbers of its own.
        moment: The device's clock.
    """

    names: tuple[object, ...]
    device_id: str
    ordinal: int
    moment: datetime
    model: device_pb2.ModelReference

    def before(self, count: int, place: int) -> datetime:
        """When the record in that place of ``count`` was made, all of them shortly before now."""
        return max(self.moment - (count - place) * _SPACING, EARLIEST)


def metric_points(origin: Origin, count: int) -> list[package_pb2.MetricPoint]:
    """Measurements of the device."""
    generator = chance(*origin.names, "metrics", origin.ordinal)
    return [
        package_pb2.MetricPoint(
            name=_METRICS[place % len(_METRICS)],
            measure_time=to_timestamp(origin.before(count, place)),
            value=generator.gauss(100.0, 10.0),
        )
        for place in range(count)
    ]


def log_records(origin: Origin, count: int) -> list[package_pb2.LogRecord]:
    """Lines of the device's log."""
    generator = chance(*origin.names, "logs", origin.ordinal)
    return [
        package_pb2.LogRecord(
            log_time=to_timestamp(origin.before(count, place)),
            level=generator.choice(_LEVELS),
            logger="simulated.device",
            message=f"line {place} of report {origin.ordinal}: {generator.getrandbits(64):016x}",
        )
        for place in range(count)
    ]


def drift_event(origin: Origin, *, shift_sigma: float, novel_share: float) -> drift_pb2.DriftEvent:
    """The event of a drift that is noticed now; it has no recovery yet."""
    index = chance(*origin.names, "event").randrange(1_000, 10_000)
    novel = novel_share >= 0.5
    return drift_pb2.DriftEvent(
        drift_event_id=make_id(origin.moment, *origin.names, "event"),
        device_id=origin.device_id,
        model=origin.model,
        detector="knn_distance.page_hinkley",
        type=drift_pb2.DRIFT_TYPE_KNN_DISTANCE,
        severity=_severity(shift_sigma),
        cause=drift_pb2.DRIFT_CAUSE_NOVELTY if novel else drift_pb2.DRIFT_CAUSE_COVARIATE_SHIFT,
        statistic=_THRESHOLD + shift_sigma,
        threshold=_THRESHOLD,
        shift_sigma=shift_sigma,
        start_time=to_timestamp(origin.before(40, 0)),
        detect_time=to_timestamp(origin.moment),
        start_index=index - 40,
        detect_index=index,
        description=f"All classes moved by {shift_sigma:.1f} standard deviations; {novel_share:.0%} are unknown.",
    )


def recovered(event: drift_pb2.DriftEvent, moment: datetime) -> drift_pb2.DriftEvent:
    """The same event with its end."""
    ended = drift_pb2.DriftEvent()
    ended.CopyFrom(event)
    ended.recovery_time.CopyFrom(to_timestamp(moment))
    ended.recovery_index = event.detect_index + 100
    return ended


def samples(
    origin: Origin, event: drift_pb2.DriftEvent, *, count: int, novel_share: float, image_bytes: int
) -> list[drift_pb2.Sample]:
    """Evidence of an event, classified by the model as it was delivered."""
    names = (*origin.names, "samples", origin.ordinal)
    points = sample_points(*names, count=count, shift_sigma=event.shift_sigma, novel_share=novel_share)
    pictures = _pictures(names, count, image_bytes)
    known = {label: centres()[label] for label in KNOWN}
    found = []
    for place, (_, point) in enumerate(points):
        guess = classify(point, known)
        found.append(
            drift_pb2.Sample(
                sample_id=make_id(origin.moment, *names, place),
                device_id=origin.device_id,
                drift_event_id=event.drift_event_id,
                model=origin.model,
                source_index=event.detect_index + origin.ordinal * 1_000 + place,
                capture_time=to_timestamp(origin.before(count, place)),
                predicted_label=guess.label,
                confidence=guess.confidence,
                distance_score=guess.distance_score,
                embedding=drift_pb2.Embedding(
                    values=point.astype("<f4").tobytes(),
                    dimension_count=DIMENSION_COUNT,
                    feature_space=FEATURE_SPACE,
                ),
                neighbours=[
                    drift_pb2.Neighbour(sample_id=f"reference/{label}", label=label, distance=distance)
                    for label, distance in guess.neighbours
                ],
                image=pictures[place],
                image_format=drift_pb2.IMAGE_FORMAT_PNG
                if image_bytes
                else drift_pb2.IMAGE_FORMAT_UNSPECIFIED,
            )
        )
    return found


def _pictures(names: Sequence[object], count: int, image_bytes: int) -> list[bytes]:
    """Noise that begins as a PNG does; empty for none."""
    generator = chance(*names, "pictures")
    noise_bytes = max(0, image_bytes - len(_PNG))
    return [_PNG + generator.randbytes(noise_bytes) if image_bytes else b"" for _ in range(count)]


def _severity(shift_sigma: float) -> "drift_pb2.Severity.ValueType":
    for limit, severity in (
        (1.0, drift_pb2.SEVERITY_LOW),
        (2.0, drift_pb2.SEVERITY_MEDIUM),
        (4.0, drift_pb2.SEVERITY_HIGH),
    ):
        if shift_sigma < limit:
            return severity
    return drift_pb2.SEVERITY_CRITICAL
