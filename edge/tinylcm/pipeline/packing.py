"""Records as JSON values and arrays, and back with suspicion: what snapshots are made of."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from tinylcm.errors import StateError
from tinylcm.ports import Arrays, Json
from tinylcm.records import (
    Acknowledgement,
    AdaptationEffect,
    Alarm,
    DriftCause,
    DriftEvent,
    DriftType,
    FeedbackOutcome,
    Image,
    ModelReference,
    Neighbour,
    Observation,
    Prediction,
    Sample,
)


@contextmanager
def reading(owner: str) -> Iterator[None]:
    """Turns whatever a damaged value causes into a StateError that names ``owner``."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise StateError(f"{owner}: stored state is incomplete or damaged: {error!r}") from error


def nested(prefix: str, arrays: Arrays) -> dict[str, NDArray[np.generic]]:
    """Puts ``prefix.`` before every name."""
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def unnested(prefix: str, arrays: Arrays) -> dict[str, NDArray[np.generic]]:
    """Returns the arrays under ``prefix.``, without it."""
    head = f"{prefix}."
    return {name.removeprefix(head): array for name, array in arrays.items() if name.startswith(head)}


def pack_samples(samples: Sequence[Sample]) -> tuple[Json, Arrays]:
    """Vectors and pictures as arrays, the rest as JSON values."""
    pictures = [sample.image.content if sample.image else b"" for sample in samples]
    arrays: dict[str, NDArray[np.generic]] = {
        "embeddings": _stacked([sample.observation.embedding for sample in samples]),
        "points": _stacked([sample.observation.point for sample in samples]),
        "pictures": np.frombuffer(b"".join(pictures), dtype=np.uint8),
        "picture_sizes": np.array([len(picture) for picture in pictures], dtype=np.int64),
    }
    return {"samples": [_sample_facts(sample) for sample in samples]}, arrays


def unpack_samples(meta: Json, arrays: Arrays) -> list[Sample]:
    """Returns what `pack_samples` was given.

    Raises:
        StateError: It is damaged.
    """
    with reading("samples"):
        embeddings = np.asarray(arrays["embeddings"], dtype=np.float32)
        points = np.asarray(arrays["points"], dtype=np.float32)
        pictures = _split(arrays["pictures"].tobytes(), arrays["picture_sizes"].tolist())
        if not (np.isfinite(embeddings).all() and np.isfinite(points).all()):
            raise ValueError("vectors are not finite")
        rows = zip(meta["samples"], embeddings, points, pictures, strict=True)
        return [_sample(*row) for row in rows]


def pack_acknowledgement(acknowledgement: Acknowledgement) -> Json:
    """JSON values of an acknowledgement."""
    effect = acknowledgement.effect
    return {
        "feedback_id": acknowledgement.feedback_id,
        "outcome": acknowledgement.outcome.value,
        "reason": acknowledgement.reason,
        "effect": pack_effect(effect) if effect else None,
    }


def unpack_acknowledgement(facts: Json) -> Acknowledgement:
    """Returns what `pack_acknowledgement` was given; raises StateError when it is damaged."""
    with reading("acknowledgement"):
        return Acknowledgement(
            feedback_id=str(facts["feedback_id"]),
            outcome=FeedbackOutcome(facts["outcome"]),
            reason=str(facts["reason"]),
            effect=unpack_effect(facts["effect"]) if facts["effect"] else None,
        )


def pack_effect(effect: AdaptationEffect) -> Json:
    """JSON values of an effect."""
    facts = {name: getattr(effect, name) for name in AdaptationEffect.__slots__}
    return facts | {"commit_time": effect.commit_time.isoformat()}


def unpack_effect(facts: Json) -> AdaptationEffect:
    """Returns what `pack_effect` was given; raises StateError when it is damaged."""
    with reading("effect"):
        return AdaptationEffect(**(facts | {"commit_time": datetime.fromisoformat(facts["commit_time"])}))


def pack_event(event: DriftEvent) -> Json:
    """JSON values of an open drift event."""
    alarm = {name: getattr(event.alarm, name) for name in Alarm.__slots__}
    alarm |= {"type": event.alarm.type.value, "cause": event.alarm.cause.value if event.alarm.cause else None}
    return {
        "drift_event_id": event.drift_event_id,
        "model": pack_model(event.model),
        "alarm": alarm,
        "start_time": event.start_time.isoformat(),
        "detect_time": event.detect_time.isoformat(),
    }


def unpack_event(facts: Json) -> DriftEvent:
    """Returns what `pack_event` was given; raises StateError when it is damaged."""
    with reading("drift event"):
        alarm = dict(facts["alarm"])
        alarm |= {
            "type": DriftType(alarm["type"]),
            "cause": DriftCause(alarm["cause"]) if alarm["cause"] else None,
        }
        return DriftEvent(
            drift_event_id=str(facts["drift_event_id"]),
            model=unpack_model(facts["model"]),
            alarm=Alarm(**alarm),
            start_time=datetime.fromisoformat(facts["start_time"]),
            detect_time=datetime.fromisoformat(facts["detect_time"]),
        )


def pack_model(model: ModelReference) -> Json:
    """JSON values of a model reference."""
    return {name: getattr(model, name) for name in ModelReference.__slots__}


def unpack_model(facts: Json) -> ModelReference:
    """Returns what `pack_model` was given."""
    return ModelReference(**facts)


def _sample_facts(sample: Sample) -> Json:
    observation, prediction = sample.observation, sample.observation.prediction
    return {
        "sample_id": sample.sample_id,
        "drift_event_id": sample.drift_event_id,
        "model": pack_model(sample.model),
        "source_index": observation.source_index,
        "capture_time": observation.capture_time.isoformat(),
        "label": prediction.label,
        "confidence": prediction.confidence,
        "mean_distance": prediction.mean_distance,
        "neighbours": [list(neighbour) for neighbour in prediction.neighbours],
        "distance_score": sample.distance_score,
        "image_format": sample.image.format if sample.image else "",
    }


def _sample(
    facts: Json, embedding: NDArray[np.float32], point: NDArray[np.float32], picture: bytes
) -> Sample:
    prediction = Prediction(
        label=str(facts["label"]),
        confidence=float(facts["confidence"]),
        neighbours=tuple(
            Neighbour(str(id_), str(label), float(far)) for id_, label, far in facts["neighbours"]
        ),
        mean_distance=float(facts["mean_distance"]),
    )
    observation = Observation(
        source_index=int(facts["source_index"]),
        capture_time=datetime.fromisoformat(facts["capture_time"]),
        embedding=embedding,
        point=point,
        prediction=prediction,
    )
    return Sample(
        sample_id=str(facts["sample_id"]),
        drift_event_id=str(facts["drift_event_id"]),
        model=unpack_model(facts["model"]),
        observation=observation,
        distance_score=float(facts["distance_score"]),
        image=Image(format=facts["image_format"], content=picture) if facts["image_format"] else None,
    )


def _stacked(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.stack(vectors).astype(np.float32) if vectors else np.empty((0, 0), dtype=np.float32)


def _split(content: bytes, sizes: Sequence[int]) -> list[bytes]:
    if sum(sizes) != len(content) or min(sizes, default=0) < 0:
        raise ValueError(f"pictures take {len(content)} bytes, their sizes add up to {sum(sizes)}")
    parts, start = [], 0
    for size in sizes:
        parts.append(content[start : start + size])
        start += size
    return parts
