"""The vote, against a plain count of it."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylcm.core.classify.samples import StoredSample
from tinylcm.core.classify.voting import Weighting, vote

NEIGHBOURS = st.lists(
    st.tuples(st.sampled_from("abc"), st.floats(0.125, 8.0), st.sampled_from([0.5, 1.0, 3.0])),
    min_size=1,
    max_size=9,
)


@given(NEIGHBOURS, st.sampled_from(Weighting))
def test_the_winner_has_the_largest_share(rows: list[tuple[str, float, float]], weighting: Weighting) -> None:
    neighbours = [
        (distance, StoredSample(number, label, str(number), weight, True))
        for number, (label, distance, weight) in enumerate(rows)
    ]
    votes: Counter[str] = Counter()
    for label, distance, weight in rows:
        votes[label] += weight / distance**2 if weighting is Weighting.INVERSE_SQUARE else weight  # type: ignore[assignment]  # a Counter of floats
    label, confidence = vote(neighbours, weighting)
    assert votes[label] == pytest.approx(max(votes.values()))
    assert confidence == pytest.approx(votes[label] / sum(votes.values()))


def test_a_neighbour_at_distance_zero_decides_and_two_of_them_share() -> None:
    here = StoredSample(5, "bag", "x", 1.0, True)
    there = StoredSample(2, "coat", "y", 1.0, True)
    near = StoredSample(1, "coat", "z", 1.0, True)
    assert vote([(0.0, here), (0.001, near)], Weighting.INVERSE_SQUARE)[0] == "bag"
    label, confidence = vote([(0.0, here), (0.0, there)], Weighting.INVERSE_SQUARE)
    assert (label, confidence) == ("coat", 0.5)
