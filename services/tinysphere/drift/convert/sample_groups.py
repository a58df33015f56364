"""Groups of look-alikes from and to messages."""

from collections.abc import Mapping
from datetime import datetime

from tinymlops.v1 import sample_group_pb2, sample_group_service_pb2
from tinysphere.domain.drift import Verdict
from tinysphere.domain.sample_groups import GroupOutcome, SampleGroup
from tinysphere.drift.convert.limits import MAX_EXCLUDED_SAMPLES
from tinysphere.drift.convert.reviews import read_lookup, read_optional_lookup, read_verdict
from tinysphere.errors import InvalidFieldError
from tinysphere.rpc.checks import require_count, require_length
from tinysphere.rpc.nouns import to_timestamp
from tinysphere.storage.ports.sample_groups import GroupFilter

MOST_LABELS = 5


def read_group_filter(request: sample_group_service_pb2.ListSampleGroupsRequest) -> GroupFilter:
    """Which groups are wanted; raises InvalidFieldError."""
    return GroupFilter(
        feature_space=read_optional_lookup("feature_space", request.feature_space),
        drift_event_id=read_optional_lookup("drift_event_id", request.drift_event_id),
        minimum_sample_count=require_count("minimum_sample_count", request.minimum_sample_count),
        open_only=request.open_only,
    )


def read_group_verdict(
    request: sample_group_service_pb2.SubmitGroupVerdictRequest, *, submit_time: datetime
) -> Verdict:
    """The verdict, without a sample; raises InvalidFieldError."""
    verdict = read_verdict("verdict", request.verdict, sample_id="", submit_time=submit_time)
    if not verdict.decision.judges:
        raise InvalidFieldError("verdict.decision", "a judgement", verdict.decision.value)
    return verdict


def read_excluded(request: sample_group_service_pb2.SubmitGroupVerdictRequest) -> frozenset[str]:
    """Samples left out; raises InvalidFieldError."""
    require_length("excluded_sample_ids", request.excluded_sample_ids, 0, MAX_EXCLUDED_SAMPLES)
    return frozenset(
        read_lookup(f"excluded_sample_ids[{index}]", sample_id)
        for index, sample_id in enumerate(request.excluded_sample_ids)
    )


def sample_group(group: SampleGroup) -> sample_group_pb2.SampleGroup:
    """The contract's message."""
    return sample_group_pb2.SampleGroup(
        group_id=group.group_id,
        feature_space=group.feature_space,
        revision=group.revision,
        sample_count=group.sample_count,
        open_sample_count=group.open_sample_count,
        device_count=group.device_count,
        device_ids=group.device_ids,
        spread=group.spread,
        nearest_labels=[
            sample_group_pb2.LabelSimilarity(label=label, similarity=min(similarity, 1.0))
            for label, similarity in _highest(group.label_similarities)
        ],
        predicted_labels=_label_counts(group.predicted_labels),
        judged_labels=_label_counts(group.judged_labels),
        representative_sample_ids=group.representative_sample_ids,
        create_time=to_timestamp(group.create_time),
        update_time=to_timestamp(group.update_time),
    )


def verdict_response(
    group: SampleGroup, outcome: GroupOutcome
) -> sample_group_service_pb2.SubmitGroupVerdictResponse:
    """The contract's message."""
    return sample_group_service_pb2.SubmitGroupVerdictResponse(
        group=sample_group(group),
        verdict_count=outcome.verdict_count,
        judged_sample_count=outcome.judged_sample_count,
        device_count=outcome.device_count,
    )


def _label_counts(counts: Mapping[str, int]) -> list[sample_group_pb2.LabelCount]:
    return [
        sample_group_pb2.LabelCount(label=label, sample_count=int(count)) for label, count in _highest(counts)
    ]


def _highest(values: Mapping[str, float]) -> list[tuple[str, float]]:
    """The labels with the highest values; equal ones in the order of their names."""
    return sorted(values.items(), key=lambda entry: (-entry[1], entry[0]))[:MOST_LABELS]
