"""Groups of look-alikes through real gRPC: samples come, find their groups, and are judged together."""

from dataclasses import dataclass

import pytest

from tests.tinysphere.drift.builders import (
    SPACE,
    embedding_message,
    event_message,
    sample_message,
    uuid,
    verdict_message,
)
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.refusals import invalid, refusal, refused
from tinymlops.v1 import (
    drift_pb2,
    drift_service_pb2,
    feedback_service_pb2,
    sample_group_pb2,
    sample_group_service_pb2,
)

# Directions that are far apart once their mean is taken away.
CORNERS = ((9.0, 0.0, 0.0), (0.0, 9.0, 0.0), (0.0, 0.0, 9.0))


@dataclass(slots=True)
class Reporter:
    """Reports samples of given kinds: equal kinds look alike."""

    called: Called
    count: int = 0

    def report(
        self, *kinds: int, device_id: str = "camera-1", event: int = 1, **changes: object
    ) -> list[str]:
        messages = [self._message(kind, device_id, event, changes) for kind in kinds]
        self.called.drift.ReportSamples(drift_service_pb2.ReportSamplesRequest(samples=messages))
        return [message.sample_id for message in messages]

    def group(self) -> None:
        while self.called.grouper.group_next():
            pass

    def _message(self, kind: int, device_id: str, event: int, changes: dict[str, object]) -> drift_pb2.Sample:
        self.count += 1
        corner = CORNERS[kind]
        nudged = [value + 0.01 * self.count * (axis + 1) for axis, value in enumerate(corner)]
        facts: dict[str, object] = {
            "device_id": device_id,
            "drift_event_id": uuid(event) if event else "",
            "embedding": embedding_message(*nudged),
            "neighbours": [drift_pb2.Neighbour(sample_id="reference/1", label=f"class-{kind}", distance=2.0)],
        }
        return sample_message(self.count, **{**facts, **changes})


@pytest.fixture
def reporter(called: Called) -> Reporter:
    return Reporter(called)


def groups_of(called: Called, **wanted: object) -> list[sample_group_pb2.SampleGroup]:
    request = sample_group_service_pb2.ListSampleGroupsRequest(**wanted)
    return list(called.groups.ListSampleGroups(request).groups)


def samples_of(called: Called, **wanted: object) -> list[drift_pb2.Sample]:
    return list(called.drift.ListSamples(drift_service_pb2.ListSamplesRequest(**wanted)).samples)


def submitted(
    group: sample_group_pb2.SampleGroup,
    number: int = 1,
    *,
    excluded: list[str] | None = None,
    **changes: object,
) -> sample_group_service_pb2.SubmitGroupVerdictRequest:
    return sample_group_service_pb2.SubmitGroupVerdictRequest(
        verdict=verdict_message(number, sample_id="", **changes),
        group_id=group.group_id,
        revision=group.revision,
        excluded_sample_ids=excluded or [],
    )


def test_samples_that_look_alike_share_a_group(called: Called, reporter: Reporter) -> None:
    first = reporter.report(0, 0, 1, 2)
    second = reporter.report(0, 1, device_id="camera-2", event=2)
    assert samples_of(called)[0].group_id == ""
    reporter.group()
    groups = groups_of(called)
    assert [group.sample_count for group in groups] == [3, 2, 1]
    largest = groups[0]
    assert largest.feature_space == SPACE
    assert (largest.open_sample_count, largest.device_count) == (3, 2)
    assert list(largest.device_ids) == ["camera-1", "camera-2"]
    assert list(largest.nearest_labels) == [sample_group_pb2.LabelSimilarity(label="class-0", similarity=1.0)]
    assert list(largest.predicted_labels) == [sample_group_pb2.LabelCount(label="shirt", sample_count=3)]
    assert set(largest.representative_sample_ids) == {first[0], first[1], second[0]}
    assert 0 <= largest.spread < 0.01
    members = samples_of(called, group_id=largest.group_id)
    assert {member.sample_id for member in members} == set(largest.representative_sample_ids)
    assert all(member.group_similarity > 0.99 for member in members)
    (again,) = [
        called.groups.GetSampleGroup(
            sample_group_service_pb2.GetSampleGroupRequest(group_id=largest.group_id)
        ).group
    ]
    assert again == largest


def test_later_samples_join_what_is_there(called: Called, reporter: Reporter) -> None:
    reporter.report(0, 1, 2)
    reporter.group()
    before = {group.group_id: group for group in groups_of(called)}
    reporter.report(1, device_id="camera-2", event=2)
    reporter.group()
    after = {group.group_id: group for group in groups_of(called)}
    assert after.keys() == before.keys()
    (grown,) = [key for key in after if after[key].sample_count == 2]
    assert after[grown].revision > before[grown].revision
    assert all(after[key] == before[key] for key in after if key != grown)


def test_groups_are_listed_page_by_page(called: Called, reporter: Reporter) -> None:
    reporter.report(0, 0, 0, 1, 1, 2)
    reporter.group()
    wanted = sample_group_service_pb2.ListSampleGroupsRequest(page_size=1, feature_space=SPACE)
    counts = []
    while True:
        page = called.groups.ListSampleGroups(wanted)
        counts += [group.open_sample_count for group in page.groups]
        if not page.next_page_token:
            break
        wanted.page_token = page.next_page_token
    assert counts == [3, 2, 1]
    assert groups_of(called, feature_space="0" * 64) == []
    assert [group.sample_count for group in groups_of(called, minimum_sample_count=2)] == [3, 2]
    wanted.feature_space = ""
    assert refused(called.groups.ListSampleGroups, wanted) == refusal(
        "INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"
    )


def test_groups_of_an_event(called: Called, reporter: Reporter) -> None:
    reporter.report(0, 0, event=1)
    reporter.report(0, 1, event=2)
    reporter.report(2, event=0)
    reporter.group()
    assert [group.sample_count for group in groups_of(called, drift_event_id=uuid(1))] == [3]
    assert [group.sample_count for group in groups_of(called, drift_event_id=uuid(2))] == [3, 1]


def test_one_verdict_judges_every_sample_and_tells_every_device(called: Called, reporter: Reporter) -> None:
    reporter.report(0, 0, 1)
    reporter.report(0, device_id="camera-2", event=2)
    reporter.group()
    group = groups_of(called)[0]
    answer = called.groups.SubmitGroupVerdict(submitted(group))
    assert (answer.verdict_count, answer.judged_sample_count, answer.device_count) == (3, 3, 2)
    assert (answer.group.open_sample_count, answer.group.sample_count) == (0, 3)
    assert list(answer.group.judged_labels) == [sample_group_pb2.LabelCount(label="bag", sample_count=3)]
    for device_id, count in (("camera-1", 2), ("camera-2", 1)):
        request = feedback_service_pb2.FetchFeedbackRequest(device_id=device_id)
        items = called.feedback.FetchFeedback(request).items
        assert [item.label for item in items] == ["bag"] * count
    judged = samples_of(called, state=drift_pb2.SAMPLE_STATE_JUDGED)
    assert {sample.group_id for sample in judged} == {group.group_id}
    verdicts = called.drift.ListVerdicts(drift_service_pb2.ListVerdictsRequest()).verdicts
    assert {verdict.group_id for verdict in verdicts} == {group.group_id}
    assert [other.sample_count for other in groups_of(called, open_only=True)] == [1]


def test_a_repeated_verdict_is_answered_and_not_given_twice(called: Called, reporter: Reporter) -> None:
    reporter.report(0, 0)
    reporter.group()
    (group,) = groups_of(called)
    first = called.groups.SubmitGroupVerdict(submitted(group))
    reporter.report(0)
    reporter.group()
    again = called.groups.SubmitGroupVerdict(submitted(group))
    assert (again.verdict_count, again.judged_sample_count, again.device_count) == (2, 2, 1)
    assert again.group.open_sample_count == 1
    assert again.group.revision > first.group.revision
    other = submitted(group, label="boot")
    assert refused(called.groups.SubmitGroupVerdict, other) == refusal("ALREADY_EXISTS", "VERDICT_CONFLICT")


def test_excluded_samples_stay_as_they_are(called: Called, reporter: Reporter) -> None:
    first, _ = reporter.report(0, 0)
    reporter.group()
    (group,) = groups_of(called)
    answer = called.groups.SubmitGroupVerdict(submitted(group, excluded=[first]))
    assert (answer.verdict_count, answer.group.open_sample_count) == (1, 1)
    (opened,) = samples_of(called, state=drift_pb2.SAMPLE_STATE_OPEN)
    assert opened.sample_id == first


def test_what_the_reviewer_did_not_see_is_not_judged(called: Called, reporter: Reporter) -> None:
    first, _ = reporter.report(0, 0)
    reporter.group()
    (seen,) = groups_of(called)
    called.drift.SubmitVerdicts(
        drift_service_pb2.SubmitVerdictsRequest(verdicts=[verdict_message(9, sample_id=first)])
    )
    changed = refusal("ABORTED", "GROUP_CHANGED")
    assert refused(called.groups.SubmitGroupVerdict, submitted(seen)) == changed
    (now,) = groups_of(called)
    assert (now.open_sample_count, now.revision) == (1, seen.revision + 1)
    reporter.report(0)
    reporter.group()
    assert refused(called.groups.SubmitGroupVerdict, submitted(now)) == changed
    assert called.groups.SubmitGroupVerdict(submitted(groups_of(called)[0])).verdict_count == 2


def test_samples_of_resolved_events_are_left_out(called: Called, reporter: Reporter) -> None:
    called.drift.ReportDriftEvents(
        drift_service_pb2.ReportDriftEventsRequest(
            drift_events=[event_message(1), event_message(2, device_id="camera-2")]
        )
    )
    reporter.report(0)
    (open_one,) = reporter.report(0, device_id="camera-2", event=2)
    reporter.group()
    called.drift.ResolveDriftEvent(
        drift_service_pb2.ResolveDriftEventRequest(drift_event_id=uuid(1), reviewer="ann", reason="known")
    )
    (group,) = groups_of(called)
    assert called.groups.SubmitGroupVerdict(submitted(group)).verdict_count == 1
    (judged,) = samples_of(called, state=drift_pb2.SAMPLE_STATE_JUDGED)
    assert judged.sample_id == open_one


def test_what_is_wrong_is_refused(called: Called, reporter: Reporter) -> None:
    reporter.report(0)
    reporter.group()
    (group,) = groups_of(called)
    unknown = refusal("NOT_FOUND", "GROUP_NOT_FOUND")
    lost = sample_group_pb2.SampleGroup(group_id=uuid(77), revision=1)
    submit = called.groups.SubmitGroupVerdict
    assert refused(submit, submitted(lost)) == unknown
    assert (
        refused(called.groups.GetSampleGroup, sample_group_service_pb2.GetSampleGroupRequest(group_id="x"))
        == unknown
    )
    assert refused(submit, submitted(group, reviewer="")) == invalid("verdict.reviewer")
    unsure = submitted(group, decision=drift_pb2.DECISION_CANNOT_TELL, label="")
    assert refused(submit, unsure) == invalid("verdict.decision")
    assert refused(submit, submitted(group, excluded=["x"] * 501)) == invalid("excluded_sample_ids")
    negative = sample_group_service_pb2.ListSampleGroupsRequest(minimum_sample_count=-1)
    assert refused(called.groups.ListSampleGroups, negative) == invalid("minimum_sample_count")


def test_the_label_budget_counts_groups(called: Called, reporter: Reporter) -> None:
    called.drift.ReportDriftEvents(
        drift_service_pb2.ReportDriftEventsRequest(drift_events=[event_message(1)])
    )
    reporter.report(*[0] * 18, 1, 2)
    request = drift_service_pb2.GetDriftEventRequest(drift_event_id=uuid(1))
    assert called.drift.GetDriftEvent(request).label_budget == drift_service_pb2.LabelBudget(
        open_sample_count=20, open_group_count=20, main_group_count=18
    )
    reporter.group()
    assert called.drift.GetDriftEvent(request).label_budget == drift_service_pb2.LabelBudget(
        open_sample_count=20, open_group_count=3, main_group_count=1
    )
    called.groups.SubmitGroupVerdict(submitted(groups_of(called)[0]))
    assert called.drift.GetDriftEvent(request).label_budget == drift_service_pb2.LabelBudget(
        open_sample_count=2, open_group_count=2, main_group_count=2
    )
