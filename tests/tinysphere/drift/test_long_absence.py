"""A device that was away for long gets everything once, in order, and ends up knowing what the server knows."""

import random
from collections.abc import Iterator

import pytest

from tests.tinysphere.drift.builders import applied, event_message, sample_message, uuid, verdict_message
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.test_labels import counted, rename
from tests.tinysphere.drift.test_reports import get_event, list_samples, report_events, report_samples
from tests.tinysphere.drift.test_reviews import RESOLVED, acknowledge, fetch, submit
from tests.tinysphere.drift.test_withdrawals import withdrawal
from tinymlops.v1 import drift_pb2, feedback_pb2, feedback_service_pb2

SAMPLES = range(1, 9)
PAGE = 5


class Reviewer:
    """Judges, changes its mind, and renames labels, for as long as the device is away."""

    def __init__(self, called: Called, seed: int) -> None:
        self._called = called
        self._rng = random.Random(seed)
        self._judged: set[int] = set()
        self._last = 0

    def work(self, steps: int) -> None:
        for _ in range(steps):
            number = self._rng.choice(SAMPLES)
            self._last += 1
            if self._rng.random() < 0.15:
                self._rename()
            elif number in self._judged:
                submit(self._called, withdrawal(number, self._last))
                self._judged.remove(number)
            else:
                self._judge(number)

    def finish(self) -> None:
        for number in sorted(set(SAMPLES) - self._judged):
            self._last += 1
            self._judge(number)

    def _judge(self, number: int) -> None:
        decision, label = self._rng.choice(
            [
                (drift_pb2.DECISION_NEW_LABEL, self._rng.choice(("bag", "purse", "Shoe"))),
                (drift_pb2.DECISION_NOT_DRIFT, ""),
                (drift_pb2.DECISION_UNUSABLE, ""),
            ]
        )
        facts = {"sample_id": uuid(1000 + number), "decision": decision, "label": label}
        submit(self._called, verdict_message(self._last, **facts))
        self._judged.add(number)

    def _rename(self) -> None:
        name = self._rng.choice(sorted(counted(self._called)))
        rename(self._called, name, self._rng.choice(("bag", "pouch", f"kind {self._last}")))


def read_pages(called: Called) -> Iterator[feedback_pb2.FeedbackItem]:
    """Fetches as a device does, a page after the other; each page is asked for twice, as if an answer was lost."""
    after, more = 0, True
    while more:
        request = feedback_service_pb2.FetchFeedbackRequest(
            device_id="camera-1", after_sequence=after, page_size=PAGE
        )
        page = called.feedback.FetchFeedback(request)
        assert called.feedback.FetchFeedback(request) == page
        yield from page.items
        more = page.has_more
        after = page.items[-1].sequence if page.items else after


@pytest.mark.parametrize("seed", [1, 2])
def test_everything_arrives_once_and_in_order(called: Called, seed: int) -> None:
    report_events(called, event_message())
    report_samples(called, *(sample_message(number) for number in SAMPLES))
    reviewer = Reviewer(called, seed)
    reviewer.work(60)
    reviewer.finish()

    items = list(read_pages(called))
    assert [item.sequence for item in items] == list(range(1, len(items) + 1))
    assert len({item.feedback_id for item in items}) == len(items) > 2 * len(SAMPLES)
    assert any(item.decision == drift_pb2.DECISION_UNUSABLE for item in items)
    known = {item.sample_id: (item.decision, item.label) for item in items}
    assert known == {
        sample.sample_id: (sample.judged_decision, sample.judged_label) for sample in list_samples(called)
    }
    labels = [label for _, label in known.values() if label]
    assert {name: count for name, count in counted(called).items() if count} == {
        name: labels.count(name) for name in set(labels)
    }

    acknowledge(called, *(applied(item.feedback_id) for item in items))
    assert fetch(called) == []
    event = get_event(called).drift_event
    assert (event.state, event.judged_sample_count) == (RESOLVED, len(SAMPLES))
    assert event.feedback_count == event.acknowledged_feedback_count == len(items)
