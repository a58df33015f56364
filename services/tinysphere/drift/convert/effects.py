"""What adaptations changed, from and to messages."""

from dataclasses import asdict

from tinymlops.v1 import feedback_pb2
from tinysphere.domain.feedback import AdaptationEffect
from tinysphere.rpc.checks import require_count, require_finite, require_id, require_timestamp
from tinysphere.rpc.nouns import to_timestamp


def read_effect(field: str, message: feedback_pb2.AdaptationEffect) -> AdaptationEffect:
    """What was measured; raises InvalidFieldError."""

    def accuracy(name: str) -> float:
        return require_finite(f"{field}.{name}", getattr(message, name), 0, 1)

    def count(name: str) -> int:
        return require_count(f"{field}.{name}", getattr(message, name))

    def distance(name: str) -> float:
        return require_finite(f"{field}.{name}", getattr(message, name))

    return AdaptationEffect(
        adaptation_id=require_id(f"{field}.adaptation_id", message.adaptation_id),
        judged_accuracy_before=accuracy("judged_accuracy_before"),
        judged_accuracy_after=accuracy("judged_accuracy_after"),
        judged_sample_count=count("judged_sample_count"),
        reference_accuracy_before=accuracy("reference_accuracy_before"),
        reference_accuracy_after=accuracy("reference_accuracy_after"),
        reference_sample_count=count("reference_sample_count"),
        propagated_sample_count=count("propagated_sample_count"),
        commit_time=require_timestamp(f"{field}.commit_time", message.commit_time),
        stream_distance_before=distance("stream_distance_before"),
        stream_distance_after=distance("stream_distance_after"),
        stream_sample_count=count("stream_sample_count"),
    )


def effect_message(effect: AdaptationEffect) -> feedback_pb2.AdaptationEffect:
    """The contract's message."""
    return feedback_pb2.AdaptationEffect(
        **{**asdict(effect), "commit_time": to_timestamp(effect.commit_time)}
    )
