"""The quarantine keeps its three bounds whatever comes."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylcm.core.adapt.quarantine import Quarantine, sample_size_bytes
from tinylcm.errors import InputError
from tinylcm.records import Image, ModelReference, Observation, Prediction, Sample

MODEL = ModelReference(model_name="", version=0, bundle_sha256="ab", feature_space="cd")


def sample(name: str, source_index: int = 0, *, picture_size: int = 0, event: str = "e") -> Sample:
    vector = np.zeros(8, dtype=np.float32)
    prediction = Prediction(label="bag", confidence=1.0, neighbours=(), mean_distance=1.0)
    observation = Observation(
        source_index=source_index,
        capture_time=datetime(2026, 1, 1, tzinfo=UTC),
        embedding=vector,
        point=vector,
        prediction=prediction,
    )
    image = Image(format="PNG", content=bytes(picture_size)) if picture_size else None
    return Sample(
        sample_id=name,
        drift_event_id=event,
        model=MODEL,
        observation=observation,
        distance_score=1.0,
        image=image,
    )


def names(quarantine: Quarantine) -> list[str]:
    return [kept.sample_id for kept in quarantine.samples()]


def test_the_oldest_leave_a_full_quarantine() -> None:
    quarantine = Quarantine(capacity=3)
    for number in range(5):
        assert quarantine.add(sample(str(number), number))
    assert names(quarantine) == ["2", "3", "4"]


def test_bytes_are_bounded_and_an_oversized_sample_is_turned_away() -> None:
    room = 3 * sample_size_bytes(sample("x", picture_size=1000))
    quarantine = Quarantine(capacity_bytes=room)
    for number in range(5):
        quarantine.add(sample(str(number), picture_size=1000))
    assert names(quarantine) == ["2", "3", "4"]
    assert not quarantine.add(sample("huge", picture_size=room))
    assert names(quarantine) == ["2", "3", "4"]


def test_age_counts_inputs_and_a_source_that_begins_anew_loses_nothing() -> None:
    quarantine = Quarantine(max_age_frames=10)
    for index in (0, 5, 11):
        quarantine.add(sample(str(index), index))
    assert names(quarantine) == ["5", "11"]
    quarantine.add(sample("again", 0))
    assert names(quarantine) == ["5", "11", "again"]


def test_samples_are_found_by_event_and_by_id() -> None:
    quarantine = Quarantine()
    quarantine.add(sample("a", event="one"))
    quarantine.add(sample("b", event="two"))
    assert [kept.sample_id for kept in quarantine.samples({"two"})] == ["b"]
    found = quarantine.get("a")
    assert found is not None
    assert found.drift_event_id == "one"
    assert quarantine.get("c") is None


def test_replacing_keeps_the_order_and_the_sum_of_bytes() -> None:
    quarantine = Quarantine()
    quarantine.add(sample("a", picture_size=500))
    quarantine.add(sample("b"))
    quarantine.replace(sample("a"))
    quarantine.replace(sample("unknown"))
    assert names(quarantine) == ["a", "b"]
    assert quarantine.size_bytes == 2 * sample_size_bytes(sample("a"))


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3000), st.booleans()), max_size=60),
    st.integers(1, 6),
)
def test_bounds_hold_after_any_sequence(steps: list[tuple[int, int, bool]], capacity: int) -> None:
    quarantine = Quarantine(capacity=capacity, capacity_bytes=6000)
    for index, (name, picture_size, removes) in enumerate(steps):
        if removes:
            quarantine.remove(str(name))
        else:
            quarantine.add(sample(str(name), index, picture_size=picture_size))
        kept = quarantine.samples()
        assert len(kept) <= capacity
        assert quarantine.size_bytes == sum(sample_size_bytes(each) for each in kept) <= 6000


def test_bounds_below_one_are_refused() -> None:
    with pytest.raises(InputError, match="at least 1"):
        Quarantine(capacity=0)
