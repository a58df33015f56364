"""What becomes of an adaptation: reports come twice, late, out of order and all at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from tests.tinysphere.drift.builders import START, adaptation_record, effect_record
from tinysphere.domain.adaptations import Adaptation, AdaptationState
from tinysphere.drift.lineage import Lineage
from tinysphere.errors import ConflictError
from tinysphere.storage.ports.adaptations import AdaptationFilter
from tinysphere.storage.sql.adaptations import SqlAdaptationStore
from tinysphere.storage.sql.database import Database

REFUSED, COMMITTED, CONFIRMED, ROLLED_BACK = AdaptationState
# All that the contract allows: states only move down its list, and two of them are final.
MOVES = {(COMMITTED, CONFIRMED), (COMMITTED, ROLLED_BACK), (CONFIRMED, ROLLED_BACK)}


@pytest.fixture
def store(database: Database) -> SqlAdaptationStore:
    return SqlAdaptationStore(database)


@pytest.fixture
def lineage(store: SqlAdaptationStore) -> Lineage:
    return Lineage(store)


def told(state: AdaptationState, number: int = 1, **changes: object) -> Adaptation:
    """A report that tells its own story, so that it shows which one was taken."""
    place = list(AdaptationState).index(state)
    report = adaptation_record(
        number,
        state=state,
        reason=f"now {state.value}",
        effect=effect_record(number, stream_sample_count=place),
        decide_time=START + timedelta(minutes=place),
        receive_time=START + timedelta(hours=place),
    )
    return replace(report, **changes)  # type: ignore[arg-type]  # fields of an Adaptation


def listed(store: SqlAdaptationStore, wanted: AdaptationFilter | None = None) -> list[Adaptation]:
    return list(store.page(wanted or AdaptationFilter(), after=None, limit=500))


@pytest.mark.parametrize("later", AdaptationState)
@pytest.mark.parametrize("earlier", AdaptationState)
def test_only_the_moves_of_the_contract_are_made(earlier: AdaptationState, later: AdaptationState) -> None:
    known, report = told(earlier), told(later, description="not the first story", sample_ids=())
    moved = known.moved_on_by(report)
    if (earlier, later) not in MOVES:
        assert moved == known
        return
    assert (moved.state, moved.reason, moved.effect, moved.decide_time) == (
        report.state,
        report.reason,
        report.effect,
        report.decide_time,
    )
    assert (moved.description, moved.sample_ids, moved.receive_time) == (
        known.description,
        known.sample_ids,
        known.receive_time,
    )


def test_what_is_stored_is_what_was_told(lineage: Lineage, store: SqlAdaptationStore) -> None:
    full = told(ROLLED_BACK)
    bare = told(REFUSED, 2, effect=None, drift_event_id="", sample_ids=(), description="")
    assert lineage.report([full, bare]) == 2
    assert listed(store) == [full, bare]


@pytest.mark.parametrize("order", list(permutations((COMMITTED, CONFIRMED, ROLLED_BACK))))
@pytest.mark.parametrize("together", [True, False])
def test_any_order_ends_in_the_last_state(
    lineage: Lineage, store: SqlAdaptationStore, order: tuple[AdaptationState, ...], together: bool
) -> None:
    reports = [told(state) for state in order]
    created = [lineage.report(reports)] if together else [lineage.report([report]) for report in reports]
    assert sum(created) == 1
    (known,) = listed(store)
    last = told(ROLLED_BACK)
    assert (known.state, known.reason, known.effect, known.decide_time) == (
        last.state,
        last.reason,
        last.effect,
        last.decide_time,
    )
    assert known.receive_time == reports[0].receive_time
    assert lineage.report(reports) == 0  # all of it once more
    assert listed(store) == [known]


def test_all_or_none_of_a_request_is_taken(lineage: Lineage, store: SqlAdaptationStore) -> None:
    lineage.report([told(COMMITTED)])
    before = listed(store)
    stranger = told(ROLLED_BACK, device_id="camera-2")
    with pytest.raises(ConflictError) as caught:
        lineage.report([told(COMMITTED, 2), told(CONFIRMED), stranger])
    assert caught.value.reason == "ADAPTATION_CONFLICT"
    with pytest.raises(ConflictError):
        lineage.report([told(COMMITTED, 3), replace(told(COMMITTED, 3), device_id="camera-2")])
    assert listed(store) == before


def test_reports_at_the_same_moment_make_one_adaptation(lineage: Lineage, store: SqlAdaptationStore) -> None:
    states = [COMMITTED, CONFIRMED, ROLLED_BACK, COMMITTED]
    gate = threading.Barrier(len(states))

    def report(state: AdaptationState) -> int:
        gate.wait()
        numbers = range(1, 21) if state is CONFIRMED else range(20, 0, -1)
        return lineage.report([told(state, number) for number in numbers])

    with ThreadPoolExecutor(len(states)) as pool:
        assert sum(pool.map(report, states)) == 20
    assert {known.state for known in listed(store)} == {ROLLED_BACK}
    assert len(listed(store)) == 20
