"""Random verdicts, withdrawals, policies, renames and answers, each step compared with a small model."""

import shutil
from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.tinysphere.drift.builders import (
    START,
    HandClock,
    effect_record,
    event_record,
    sample_record,
    uuid,
    verdict_record,
)
from tests.tinysphere.drift.review_model import (
    CANNOT_TELL,
    EVE,
    UNUSABLE,
    WITHDRAWN,
    Policy,
    ReviewModel,
    SampleModel,
)
from tinysphere.domain.drift import Decision, DriftEventState, Sample
from tinysphere.domain.feedback import Acknowledgement, FeedbackOutcome
from tinysphere.domain.review import ReviewSettings, VerdictPolicy
from tinysphere.drift.catalogue import Catalogue
from tinysphere.drift.exchange import FeedbackExchange
from tinysphere.drift.review import Review
from tinysphere.drift.review_settings import SettingsDesk
from tinysphere.errors import TinySphereError
from tinysphere.storage.sql.backlogs import SqlBacklogStore
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift import SqlDriftStore
from tinysphere.storage.sql.review import SqlReviewStore

NUMBERS = (1, 2, 3)
LABELS = ("bag", "shoe", "coat")
WORDS = {UNUSABLE: Decision.UNUSABLE, CANNOT_TELL: Decision.CANNOT_TELL, WITHDRAWN: Decision.WITHDRAWN}
POLICIES: tuple[Policy, ...] = (
    ("ONE", 1, 1),
    ("AGREEMENT", 2, 2),
    ("AGREEMENT", 2, 3),
    ("ADJUDICATOR", 2, 2),
)

numbers = st.sampled_from(NUMBERS)
reviewers = st.sampled_from(("ann", "bob", "cy", EVE))
words = st.sampled_from((*LABELS, *LABELS, UNUSABLE, CANNOT_TELL))
labels = st.sampled_from(LABELS)


class ReviewMachine(RuleBasedStateMachine):
    """The steps, on a database of its own."""

    migrated: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        path = Path(self.folder.name) / "drift.db"
        shutil.copy(self.migrated, path)
        self.database = Database(f"sqlite:///{path}")
        self.store, self.reading = SqlDriftStore(self.database), SqlReviewStore(self.database)
        ids, clock = count(10**6), HandClock()
        made: dict[str, Any] = {"new_id": lambda: uuid(next(ids)), "feedback_made": lambda: None}
        self.review = Review(self.store, clock, **made)
        self.catalogue = Catalogue(self.store, clock, **made)
        self.desk = SettingsDesk(self.store, clock)
        self.exchange = FeedbackExchange(self.store, SqlBacklogStore(self.database), clock)
        self.model = ReviewModel({number: SampleModel() for number in NUMBERS})
        self.last_verdict = 0

    @initialize(policy=st.sampled_from(POLICIES))
    def begin(self, policy: Policy) -> None:
        with self.store.transaction() as transaction:
            sample = sample_record()
            transaction.fix_dimensions({sample.model.feature_space: 2})
            transaction.add_samples([sample_record(number) for number in NUMBERS])
            transaction.claim_events({uuid(1): "camera-1"})
            progress = {"sample_count": len(NUMBERS)}
            event = event_record(1)
            transaction.add_event(event)
            transaction.add_progress({uuid(1): type(event.progress)(**progress)})
        for label in LABELS:
            self.catalogue.add(label, reviewer="ann")
        self.change_policy(policy)

    @rule(said=st.lists(st.tuples(numbers, reviewers, words), min_size=1, max_size=5))
    def say(self, said: Sequence[tuple[int, str, str]]) -> None:
        for number, reviewer, word in said:
            self.submit(number, reviewer, word)

    @rule(said=st.lists(st.tuples(numbers, reviewers), min_size=1, max_size=5))
    def withdraw(self, said: Sequence[tuple[int, str]]) -> None:
        for number, reviewer in said:
            self.submit(number, reviewer, WITHDRAWN)

    @rule(policy=st.sampled_from(POLICIES))
    def change_policy(self, policy: Policy) -> None:
        kind, required, asked = policy
        self.model.policy = policy
        wanted = ReviewSettings(
            revision=self.reading.get_settings().revision,
            policy=VerdictPolicy(kind),
            required_count=required,
            reviewer_count=asked,
            adjudicators=(EVE,),
        )
        self.desk.update(wanted)

    @rule(name=labels, new_name=labels)
    def rename(self, name: str, new_name: str) -> None:
        label, changed = self.catalogue.rename(name, new_name, reviewer="ann")
        assert changed == self.model.rename(name, new_name)
        assert label.name == self.model.name_of(name)

    @rule(close=st.sampled_from((True, False, False)))
    def close_or_reopen(self, close: bool) -> None:
        change = self.review.resolve if close else self.review.reopen
        change(uuid(1), reviewer="ann", reason="a test run")
        if close != self.model.resolved:
            self.model.resolved = self.model.closed_by_hand = close

    @rule()
    def answer(self) -> None:
        items, _ = self.exchange.fetch("camera-1", after_sequence=0, limit=1_000)
        self.exchange.acknowledge("camera-1", [_applied(item.feedback_id) for item in items])
        self.model.answered_count = len(self.model.sent)
        if items:
            self.model.settle()

    @invariant()
    def samples_are_judged_as_the_model_says(self) -> None:
        for number, model in self.model.samples.items():
            sample = self.store.get_sample(uuid(1000 + number))
            assert _word(sample) == model.judged
            assert (sample.disagree_time is not None) == model.disputed

    @invariant()
    def the_device_hears_of_it_in_order(self) -> None:
        items = self.store.fetch_feedback("camera-1", after_sequence=0, limit=1_000)
        first = self.model.answered_count
        assert [item.sequence for item in items] == list(range(first + 1, len(self.model.sent) + 1))
        heard = [(item.sample_id, item.judgement.label or UNUSABLE) for item in items]
        assert heard == [(uuid(1000 + number), word) for number, word in self.model.sent[first:]]

    @invariant()
    def the_event_counts_and_stands_right(self) -> None:
        event = self.store.get_event(uuid(1))
        model, progress = self.model, event.progress
        judged = sum(sample.judged is not None for sample in model.samples.values())
        assert (progress.judged_sample_count, progress.verdict_count) == (judged, model.verdict_count)
        assert (progress.feedback_count, progress.acknowledged_feedback_count) == (
            len(model.sent),
            model.answered_count,
        )
        in_review = DriftEventState.IN_REVIEW if model.verdict_count else DriftEventState.OPEN
        assert event.state is (DriftEventState.RESOLVED if model.resolved else in_review)

    @invariant()
    def labels_count_their_samples(self) -> None:
        counts = {label.name: label.sample_count for label in self.reading.list_labels(after=None, limit=99)}
        judged = Counter(sample.judged for sample in self.model.samples.values())
        names = {self.model.name_of(label) for label in LABELS}
        assert counts == {name: judged[name] for name in names}

    def submit(self, number: int, reviewer: str, word: str) -> None:
        self.last_verdict += 1
        decision = WORDS.get(word, Decision.NEW_LABEL)
        verdict = verdict_record(
            self.last_verdict,
            sample_id=uuid(1000 + number),
            reviewer=reviewer,
            decision=decision,
            label=word if decision.names_label else "",
        )
        reason = ""
        try:
            self.review.submit([verdict])
        except TinySphereError as error:
            reason = error.reason
        assert reason == self.model.submit(number, reviewer, word)
        if not reason:
            self.model.settle()

    def teardown(self) -> None:
        self.database.dispose()
        self.folder.cleanup()


def _word(sample: Sample) -> str | None:
    return None if sample.judgement is None else sample.judgement.label or UNUSABLE


def _applied(feedback_id: str) -> Acknowledgement:
    return Acknowledgement(
        feedback_id=feedback_id,
        outcome=FeedbackOutcome.APPLIED,
        reason="",
        effect=effect_record(),
        acknowledge_time=START,
    )


def test_reviewing_keeps_its_promises(migrated_sqlite: Path) -> None:
    machine = type("Machine", (ReviewMachine,), {"migrated": migrated_sqlite})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
