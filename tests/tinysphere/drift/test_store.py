"""One suite for the drift store, over SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.tinysphere.drift.builders import (
    SPACE,
    START,
    event_record,
    judged,
    sample_record,
    uuid,
    vector,
    verdict_record,
)
from tinysphere.domain.drift import (
    Decision,
    DriftEventState,
    DriftEventTransition,
    DriftType,
    Embedding,
    EventProgress,
    ImageFormat,
    Judgement,
    Sample,
    SampleState,
    StoredImage,
)
from tinysphere.domain.feedback import Acknowledgement, AdaptationEffect, FeedbackOutcome
from tinysphere.errors import ConflictError, NotFoundError
from tinysphere.storage.ports.drift import (
    EventFilter,
    FeedbackFilter,
    NewFeedback,
    SampleFilter,
    VerdictFilter,
)
from tinysphere.storage.sql.drift import SqlDriftStore

BAG = Judgement(decision=Decision.NEW_LABEL, label="bag")


def add_events(store: SqlDriftStore, *numbers: int, device_id: str = "camera-1", **changes: object) -> None:
    with store.transaction() as transaction:
        for number in numbers:
            transaction.claim_events({uuid(number): device_id})
            transaction.add_event(event_record(number, device_id=device_id, **changes))


def add_samples(store: SqlDriftStore, *samples: Sample) -> None:
    with store.transaction() as transaction:
        transaction.fix_dimensions({SPACE: 2})
        transaction.add_samples(samples)


def new_feedback(feedback_id: str, sample: Sample) -> NewFeedback:
    return NewFeedback(
        feedback_id=feedback_id,
        device_id=sample.device_id,
        sample_id=sample.sample_id,
        drift_event_id=sample.drift_event_id,
        judgement=BAG,
    )


def add_feedback(store: SqlDriftStore, *numbers: int) -> None:
    with store.transaction() as transaction:
        held = transaction.lock_samples([uuid(1000 + number) for number in numbers])
        transaction.add_feedback(
            [new_feedback(uuid(3000 + number), held[uuid(1000 + number)]) for number in numbers],
            now=START,
        )


def test_an_event_comes_back_as_it_went(store: SqlDriftStore) -> None:
    plain = event_record(1)
    full = event_record(
        2,
        type=DriftType.COMBINED,
        severity=None,
        recovery_time=START + timedelta(microseconds=123_456),
        recovery_index=2**40,
        statistic=1e-17,
        description="tab\tand 'quote' and ünïcode",
    )
    with store.transaction() as transaction:
        transaction.claim_events({uuid(1): "camera-1", uuid(2): "camera-1"})
        transaction.add_event(plain)
        transaction.add_event(full)
    assert store.get_event(uuid(1)) == plain
    assert store.get_event(uuid(2)) == full


def test_a_sample_comes_back_as_it_went(store: SqlDriftStore) -> None:
    image = StoredImage(format=ImageFormat.PNG, sha256="a" * 64, size_bytes=7)
    samples = [sample_record(1), sample_record(2, image=image, drift_event_id="", neighbours=())]
    add_samples(store, *samples)
    assert [store.get_sample(sample.sample_id) for sample in samples] == samples


def test_what_is_not_there_is_said_so(store: SqlDriftStore) -> None:
    with pytest.raises(NotFoundError, match="drift event nope"):
        store.get_event("nope")
    with pytest.raises(NotFoundError, match="sample nope"):
        store.get_sample("nope")


def test_the_first_dimension_of_a_space_stays(store: SqlDriftStore) -> None:
    for dimension_count in (64, 32):
        with store.transaction() as transaction:
            assert transaction.fix_dimensions({SPACE: dimension_count}) == {SPACE: 64}


def test_a_known_sample_is_not_added_again(store: SqlDriftStore) -> None:
    add_samples(store, sample_record(1))
    with store.transaction() as transaction:
        other = sample_record(1, predicted_label="coat")
        assert transaction.add_samples([other, sample_record(2)]) == {uuid(1002)}
    assert store.get_sample(uuid(1001)).predicted_label == "shirt"


def test_the_first_device_that_names_an_event_owns_it(store: SqlDriftStore) -> None:
    for device_id in ("camera-1", "camera-2"):
        with store.transaction() as transaction:
            assert transaction.claim_events({uuid(1): device_id}) == {uuid(1): "camera-1"}


def test_progress_is_kept_before_its_event_comes(store: SqlDriftStore) -> None:
    with store.transaction() as transaction:
        transaction.claim_events({uuid(1): "camera-1"})
        transaction.add_progress({uuid(1): EventProgress(sample_count=2, verdict_count=1)})
        transaction.add_progress({uuid(1): EventProgress(sample_count=1)})
    add_events(store, 1)
    assert store.get_event(uuid(1)).progress == EventProgress(sample_count=3, verdict_count=1)


def test_a_state_and_its_history_are_kept(store: SqlDriftStore) -> None:
    add_events(store, 1)
    steps = [DriftEventState.OPEN, DriftEventState.IN_REVIEW, DriftEventState.RESOLVED]
    transitions = [
        DriftEventTransition(from_state=a, to_state=b, actor="ann", reason=f"to {b.value}", change_time=START)
        for a, b in pairwise(steps)
    ]
    event = replace(event_record(1), state=steps[-1], resolution="done (by ann)", closed_by_hand=True)
    with store.transaction() as transaction:
        transaction.set_state(event, transitions)
    assert store.get_event(uuid(1)) == event
    assert store.list_transitions(uuid(1)) == transitions
    assert store.list_transitions(uuid(2)) == []


def test_a_failed_transaction_leaves_nothing(store: SqlDriftStore) -> None:
    with pytest.raises(RuntimeError), store.transaction() as transaction:
        transaction.claim_events({uuid(1): "camera-1"})
        transaction.add_event(event_record(1))
        raise RuntimeError
    assert store.list_events(EventFilter(), after=None, limit=10) == []


@pytest.mark.parametrize("page_size", [1, 2, 3, 7])
def test_event_pages_join_without_gap_or_repeat(store: SqlDriftStore, page_size: int) -> None:
    states = list(DriftEventState)
    with store.transaction() as transaction:
        for number in range(1, 8):
            transaction.claim_events({uuid(number): f"camera-{number % 2}"})
            transaction.add_event(
                event_record(
                    number,
                    device_id=f"camera-{number % 2}",
                    receive_time=START + timedelta(seconds=number // 2),  # moments shared by two
                    state=states[number % 3],
                )
            )
    newest_first = [uuid(number) for number in range(7, 0, -1)]
    wanted = {
        EventFilter(): newest_first,
        EventFilter(device_id="camera-1"): newest_first[::2],
        EventFilter(states=frozenset(states[1:])): [uuid(number) for number in (7, 5, 4, 2, 1)],
        EventFilter(device_id="camera-1", states=frozenset(states[:1])): [uuid(3)],
        EventFilter(device_id="camera-9"): [],
    }
    for event_filter, expected in wanted.items():
        found, after = [], None
        while page := store.list_events(event_filter, after=after, limit=page_size):
            assert len(page) <= page_size
            found += [event.drift_event_id for event in page]
            after = (page[-1].receive_time, page[-1].drift_event_id)
        assert found == expected


@pytest.mark.parametrize("page_size", [1, 3, 9])
def test_sample_pages_join_without_gap_or_repeat(store: SqlDriftStore, page_size: int) -> None:
    add_samples(
        store,
        *(
            sample_record(
                number,
                device_id=f"camera-{number % 2}",
                drift_event_id=uuid(1) if number < 5 else "",
                capture_time=START + timedelta(seconds=number // 3),
            )
            for number in range(1, 9)
        ),
    )
    with store.transaction() as transaction:
        transaction.set_judgements([judged(sample_record(2), BAG), judged(sample_record(5), BAG)])
    numbers = {
        SampleFilter(): [1, 2, 3, 4, 5, 6, 7, 8],
        SampleFilter(state=SampleState.JUDGED): [2, 5],
        SampleFilter(state=SampleState.OPEN, device_id="camera-1"): [1, 3, 7],
        SampleFilter(drift_event_id=uuid(1)): [1, 2, 3, 4],
        SampleFilter(drift_event_id=uuid(1), state=SampleState.OPEN): [1, 3, 4],
    }
    for sample_filter, expected in numbers.items():
        found, after = [], None
        while page := store.list_samples(sample_filter, after=after, limit=page_size):
            found += [sample.sample_id for sample in page]
            after = (page[-1].capture_time, page[-1].sample_id)
        assert found == [uuid(1000 + number) for number in expected]


def test_a_judgement_is_kept(store: SqlDriftStore) -> None:
    add_samples(store, sample_record(1), sample_record(2))
    unusable = Judgement(decision=Decision.UNUSABLE, label="")
    with store.transaction() as transaction:
        transaction.set_judgements([judged(sample_record(1), BAG), judged(sample_record(2), unusable)])
    first, second = sample_record(1, judgement=BAG), sample_record(2, judgement=unusable)
    assert store.get_sample(uuid(1001)) == first
    assert store.get_sample(uuid(1002)) == second
    with store.transaction() as transaction:
        transaction.set_judgements([judged(first, None), judged(second, None, disagree_time=START)])
    assert store.get_sample(uuid(1001)) == sample_record(1)
    assert store.get_sample(uuid(1002)) == sample_record(2, disagree_time=START)


def test_verdicts_keep_their_order(store: SqlDriftStore) -> None:
    add_samples(store, sample_record(1), sample_record(2, drift_event_id=""))
    given = [verdict_record(number, sample_id=uuid(1001 + number % 2)) for number in (9, 4, 7, 1)]
    with store.transaction() as transaction:
        transaction.add_verdicts(given, {uuid(1001): uuid(1), uuid(1002): ""})
        on_second = transaction.verdicts_on([uuid(1002)])
        assert on_second == {uuid(1002): [given[0], given[2], given[3]]}
        assert transaction.get_verdicts([uuid(2004), uuid(2005)]) == {uuid(2004): given[1]}
    entries = store.list_verdicts(VerdictFilter(), after=None, limit=2)
    entries = [*entries, *store.list_verdicts(VerdictFilter(), after=entries[-1][0], limit=9)]
    assert [verdict for _, verdict in entries] == given
    (only,) = store.list_verdicts(VerdictFilter(drift_event_id=uuid(1)), after=None, limit=9)
    assert only[1] == given[1]
    assert len(store.list_verdicts(VerdictFilter(sample_id=uuid(1002)), after=None, limit=9)) == 3


def test_a_verdict_id_is_given_once(store: SqlDriftStore) -> None:
    add_samples(store, sample_record(1))
    for _ in range(2):
        try:
            with store.transaction() as transaction:
                transaction.add_verdicts([verdict_record(1)], {uuid(1001): uuid(1)})
        except ConflictError as error:
            assert error.reason == "VERDICT_CONFLICT"
    assert len(store.list_verdicts(VerdictFilter(), after=None, limit=9)) == 1


def test_each_device_counts_its_feedback_without_gaps(store: SqlDriftStore) -> None:
    devices = {1: "camera-1", 2: "camera-2", 3: "camera-1", 4: "camera-1"}
    add_samples(store, *(sample_record(number, device_id=device) for number, device in devices.items()))
    add_feedback(store, 3, 2, 1)
    add_feedback(store, 4)
    first = store.fetch_feedback("camera-1", after_sequence=0, limit=9)
    assert [(item.sequence, item.sample_id) for item in first] == [
        (1, uuid(1003)),
        (2, uuid(1001)),
        (3, uuid(1004)),
    ]
    assert first[0].embedding == Embedding(values=vector(1, -2), dimension_count=2, feature_space=SPACE)
    assert first[0].judgement == BAG
    assert [item.sequence for item in store.fetch_feedback("camera-1", after_sequence=1, limit=1)] == [2]
    assert [item.sequence for item in store.fetch_feedback("camera-2", after_sequence=0, limit=9)] == [1]
    newest = store.list_feedback(FeedbackFilter(), after=None, limit=3)
    newest = [*newest, *store.list_feedback(FeedbackFilter(), after=newest[-1][0], limit=3)]
    assert [item.sample_id for _, item in newest] == [uuid(1000 + number) for number in (4, 1, 2, 3)]


def test_a_rolled_back_item_leaves_no_gap(store: SqlDriftStore) -> None:
    add_samples(store, sample_record(1))
    with pytest.raises(RuntimeError), store.transaction() as transaction:
        transaction.add_feedback([new_feedback(uuid(1), sample_record(1))], now=START)
        raise RuntimeError
    add_feedback(store, 1)
    (item,) = store.fetch_feedback("camera-1", after_sequence=0, limit=9)
    assert item.sequence == 1


def test_an_answer_is_kept_and_a_final_one_takes_the_item_off(store: SqlDriftStore) -> None:
    add_samples(store, sample_record(1), sample_record(2))
    add_feedback(store, 1, 2)
    effect = AdaptationEffect(
        adaptation_id=uuid(9),
        judged_accuracy_before=0.1,
        judged_accuracy_after=1 / 3,
        judged_sample_count=3,
        reference_accuracy_before=0.9,
        reference_accuracy_after=0.9,
        reference_sample_count=100,
        propagated_sample_count=0,
        commit_time=START + timedelta(microseconds=1),
    )
    applied = Acknowledgement(
        feedback_id=uuid(3001),
        outcome=FeedbackOutcome.APPLIED,
        reason="",
        effect=effect,
        acknowledge_time=START,
    )
    deferred = replace(
        applied,
        feedback_id=uuid(3002),
        outcome=FeedbackOutcome.DEFERRED,
        reason="too few",
        effect=None,
    )
    with store.transaction() as transaction:
        assert transaction.lock_feedback("camera-2", [uuid(3001)]) == {}
        transaction.set_acknowledgements([applied, deferred])
    with store.transaction() as transaction:
        items = transaction.lock_feedback("camera-1", [uuid(3001), uuid(3002)])
    assert [items[key].acknowledgement for key in sorted(items)] == [applied, deferred]
    assert [item.feedback_id for item in store.fetch_feedback("camera-1", after_sequence=0, limit=9)] == [
        uuid(3002)
    ]


def test_announcements_are_due_until_they_are_settled(store: SqlDriftStore) -> None:
    add_samples(store, sample_record(1), sample_record(2, device_id="camera-2"), sample_record(3))
    add_feedback(store, 1, 2)
    assert store.due_announcements(now=START - timedelta(seconds=1), limit=9) == {}
    assert store.due_announcements(now=START, limit=9) == {"camera-1": 1, "camera-2": 1}
    assert store.due_announcements(now=START, limit=1) == {"camera-1": 1}
    later = START + timedelta(minutes=1)
    store.postpone_announcements(["camera-2"], until=later)
    add_feedback(store, 3)
    store.settle_announcements({"camera-1": 1})  # sequence 2 came up since
    assert store.due_announcements(now=START, limit=9) == {"camera-1": 2}
    store.settle_announcements({"camera-1": 2})
    assert store.due_announcements(now=START, limit=9) == {}
    assert store.due_announcements(now=later, limit=9) == {"camera-2": 1}
