"""Samples in the plane."""

import struct

import numpy as np
import plotly.graph_objects as go

from tests.tinyboard.builders import sample
from tinyboard.views import embedding
from tinyboard.views.records import SampleView


def at(sample_id: str, *values: float, **facts: object) -> SampleView:
    return sample(sample_id, embedding_values=struct.pack(f"<{len(values)}f", *values), **facts)


LINE = tuple(at(f"{number}", 3.0 * number, 4.0 * number, 1.0) for number in range(5))


def test_the_plane_keeps_the_distances_of_what_lies_in_a_plane() -> None:
    points = embedding.plane(LINE)
    assert points.shape == (5, 2)
    np.testing.assert_allclose(np.linalg.norm(np.diff(points, axis=0), axis=1), 5.0)
    np.testing.assert_allclose(points[:, 1], 0.0, atol=1e-9)


def test_the_same_samples_always_look_the_same() -> None:
    np.testing.assert_allclose(embedding.plane(LINE), embedding.plane(LINE[::-1])[::-1], atol=1e-9)
    assert embedding.plane(LINE)[-1, 0] > embedding.plane(LINE)[0, 0]


def test_few_samples_have_a_place_too() -> None:
    assert embedding.plane(()).shape == (0, 2)
    assert embedding.plane((at("a", 1.0, 2.0),)).tolist() == [[0.0, 0.0]]
    assert embedding.plane((at("a", 1.0), at("b", 3.0))).shape == (2, 2)


def test_only_one_feature_space_is_drawn() -> None:
    other = at("other", 1.0, 2.0, feature_space="space-2")
    short = at("short", 1.0)
    assert embedding.of_one_space((*LINE, other, short)) == LINE
    assert embedding.of_one_space(()) == ()


def test_a_lasso_catches_by_id_and_only_what_is_open() -> None:
    samples = (*LINE, at("judged", 1.0, 1.0, 1.0, state="JUDGED"))
    selection = {"points": [{"customdata": ["3"]}, {"customdata": ["judged"]}, {"customdata": "1"}, {}]}
    assert [one.sample_id for one in embedding.caught(selection, samples)] == ["1", "3"]
    assert embedding.caught({}, samples) == ()


def test_points_are_coloured_by_group_and_carry_their_id() -> None:
    samples = (*LINE[:2], at("g", 1.0, 1.0, 1.0, group_id="group-1"))
    figure = go.Figure(embedding.scatter(samples, {"group-1": "1: coat"}))
    assert [trace.name for trace in figure.data] == ["1: coat", embedding.NO_GROUP]
    assert list(figure.data[0].customdata) == [["g"]]
    assert figure.layout.dragmode == "lasso"


def test_a_fingerprint_is_of_the_samples_not_their_order() -> None:
    assert embedding.fingerprint(LINE) == embedding.fingerprint(LINE[::-1])
    assert embedding.fingerprint(LINE) != embedding.fingerprint(LINE[1:])
