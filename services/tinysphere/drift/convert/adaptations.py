"""The lineage of adaptations from and to messages."""

from collections.abc import Sequence
from datetime import datetime

from tinymlops.v1 import adaptation_pb2, adaptation_service_pb2
from tinysphere.domain.adaptations import Adaptation, AdaptationKind, AdaptationState
from tinysphere.domain.feedback import AdaptationEffect
from tinysphere.drift.convert.effects import effect_message, read_effect
from tinysphere.drift.convert.limits import (
    MAX_ADAPTATION_SAMPLES,
    MAX_ADAPTATIONS,
    MAX_LOOKUP_CHARACTERS,
    MAX_TEXT_CHARACTERS,
)
from tinysphere.drift.convert.reports import read_event_id
from tinysphere.drift.convert.reviews import read_optional_lookup
from tinysphere.errors import InvalidFieldError
from tinysphere.rpc.checks import (
    require_device_id,
    require_id,
    require_length,
    require_text,
    require_timestamp,
)
from tinysphere.rpc.nouns import (
    enum_number,
    model_reference,
    read_enum,
    read_model_reference,
    to_timestamp,
)
from tinysphere.storage.ports.adaptations import AdaptationFilter


def read_adaptations(
    request: adaptation_service_pb2.ReportAdaptationsRequest, *, receive_time: datetime
) -> Sequence[Adaptation]:
    """The adaptations of a request; raises InvalidFieldError."""
    require_length("adaptations", request.adaptations, 1, MAX_ADAPTATIONS)
    return [
        _read_adaptation(f"adaptations[{index}]", message, receive_time)
        for index, message in enumerate(request.adaptations)
    ]


def read_adaptation_filter(request: adaptation_service_pb2.ListAdaptationsRequest) -> AdaptationFilter:
    """Which adaptations are wanted; raises InvalidFieldError."""
    return AdaptationFilter(
        device_id=read_optional_lookup("device_id", request.device_id),
        drift_event_id=read_optional_lookup("drift_event_id", request.drift_event_id),
    )


def adaptation_message(adaptation: Adaptation) -> adaptation_pb2.Adaptation:
    """The contract's message."""
    return adaptation_pb2.Adaptation(
        adaptation_id=adaptation.adaptation_id,
        device_id=adaptation.device_id,
        model=model_reference(adaptation.model),
        kind=enum_number(adaptation.kind, adaptation_pb2.AdaptationKind),
        state=enum_number(adaptation.state, adaptation_pb2.AdaptationState),
        drift_event_id=adaptation.drift_event_id,
        description=adaptation.description,
        reason=adaptation.reason,
        effect=effect_message(adaptation.effect) if adaptation.effect else None,
        sample_ids=adaptation.sample_ids,
        decide_time=to_timestamp(adaptation.decide_time),
        receive_time=to_timestamp(adaptation.receive_time),
    )


def _read_adaptation(field: str, message: adaptation_pb2.Adaptation, receive_time: datetime) -> Adaptation:
    state = read_enum(f"{field}.state", message.state, adaptation_pb2.AdaptationState, AdaptationState)
    return Adaptation(
        adaptation_id=require_id(f"{field}.adaptation_id", message.adaptation_id),
        device_id=require_device_id(f"{field}.device_id", message.device_id),
        model=read_model_reference(f"{field}.model", message.model),
        kind=read_enum(f"{field}.kind", message.kind, adaptation_pb2.AdaptationKind, AdaptationKind),
        state=state,
        drift_event_id=read_event_id(f"{field}.drift_event_id", message.drift_event_id),
        description=require_text(f"{field}.description", message.description, 0, MAX_TEXT_CHARACTERS),
        reason=require_text(f"{field}.reason", message.reason, 0, MAX_TEXT_CHARACTERS),
        effect=_read_effect(f"{field}.effect", message, state),
        sample_ids=_read_sample_ids(f"{field}.sample_ids", message.sample_ids),
        decide_time=require_timestamp(f"{field}.decide_time", message.decide_time),
        receive_time=receive_time,
    )


def _read_effect(
    field: str, message: adaptation_pb2.Adaptation, state: AdaptationState
) -> AdaptationEffect | None:
    """What was measured of this adaptation; nothing only where it was refused."""
    if not message.HasField("effect"):
        if state is AdaptationState.REFUSED:
            return None
        raise InvalidFieldError(field, f"what was measured, with {state.value}", "nothing")
    effect = read_effect(field, message.effect)
    if effect.adaptation_id != message.adaptation_id:
        expected = f"the adaptation's, {message.adaptation_id}"
        raise InvalidFieldError(f"{field}.adaptation_id", expected, effect.adaptation_id)
    return effect


def _read_sample_ids(field: str, sample_ids: Sequence[str]) -> tuple[str, ...]:
    require_length(field, sample_ids, 0, MAX_ADAPTATION_SAMPLES)
    return tuple(
        require_text(f"{field}[{index}]", sample_id, 1, MAX_LOOKUP_CHARACTERS)
        for index, sample_id in enumerate(sample_ids)
    )
