"""One query among 1,000 stored points, side by side with faiss and scikit-learn.

``python -m benchmarks.knn``. Like is compared with like, in turns, on the same points, one thread each,
in CPU time, which other work on the machine changes least:

- *search*: our `NumpySearch.nearest`, whose winners' distances are computed once more exactly, and
  ``IndexFlatL2.search``; both give rows and distances. Of this is ``ratio_to_faiss_<dimensions>``.
- *predict*: our `LightweightKNN.predict`, and the same checks, vote and records on what faiss found. Beside it the
  strictest ratio: all of our `predict` over faiss's bare search.
- scikit-learn's ``KNeighborsClassifier.predict``, brute force, against our `predict`.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.classify.distances import Metric
from tinylcm.core.classify.knn import LightweightKNN
from tinylcm.core.classify.search import NumpySearch

STORED_COUNT = 1_000
CLASS_COUNT = 8
NEIGHBOUR_COUNT = 5
DIMENSION_COUNTS = (64, 128)
QUERY_COUNT = 50
ROUND_COUNT, QUICK_ROUND_COUNT = 400, 80
SLOW_EVERY = 20
"""scikit-learn and plain Python take part in one round of so many."""

Points = NDArray[np.float32]
Query = Callable[[Points], object]
FASTER = ("floor", "search", "faiss search", "predict", "faiss predict")
SLOWER = ("scikit-learn", "python")


class FaissSearch:
    """faiss in the place of our search: everything around it stays the same."""

    def __init__(self, points: Points) -> None:
        faiss: Any = import_module("faiss")
        faiss.omp_set_num_threads(1)
        self.index = faiss.IndexFlatL2(points.shape[1])
        self.index.add(points)

    def refresh(self, count: int) -> None:
        """Says that rows have changed; here they never do."""

    def nearest(self, query: Points, neighbour_count: int, excluded: object) -> tuple[list[int], list[float]]:
        """Rows and distances; faiss gives squares."""
        squares, rows = self.index.search(query[None], neighbour_count)
        return rows[0].tolist(), np.sqrt(squares[0]).tolist()


def contenders(points: Points, labels: NDArray[np.str_]) -> Mapping[str, Query]:
    """Everything that is timed, by name; each takes one query ``(d,)``."""
    ours, plain = _classifier(points, labels), _classifier(points, labels, search="python")
    faiss_search = FaissSearch(points)
    theirs = _classifier(points, labels)
    theirs._search = faiss_search  # the one part that is exchanged
    search = NumpySearch(points, Metric.EUCLIDEAN)
    search.refresh(len(points))
    neighbors: Any = import_module("sklearn.neighbors")
    sklearn = neighbors.KNeighborsClassifier(NEIGHBOUR_COUNT, weights="distance", algorithm="brute")
    sklearn.fit(points, labels)
    columns, ranks = np.ascontiguousarray(points.T), np.empty(len(points), dtype=np.float32)
    return {
        "floor": lambda query: np.dot(query, columns, out=ranks),
        "search": lambda query: search.nearest(query, NEIGHBOUR_COUNT, ()),
        "faiss search": lambda query: faiss_search.index.search(query[None], NEIGHBOUR_COUNT),
        "predict": ours.predict,
        "faiss predict": theirs.predict,
        "scikit-learn": lambda query: sklearn.predict(query[None]),
        "python": plain.predict,
    }


def _classifier(points: Points, labels: NDArray[np.str_], search: str = "numpy") -> LightweightKNN:
    knn = LightweightKNN(len(points), points.shape[1], NEIGHBOUR_COUNT, search=search)
    for row, (point, label) in enumerate(zip(points, labels.tolist(), strict=True)):
        knn.add(point, label, f"reference/{row}", trusted=True)
    return knn


def made_up(dimension_count: int) -> tuple[Points, NDArray[np.str_], Points]:
    """Points of overlapping classes, their labels, and queries of the same kind."""
    rng = np.random.default_rng(dimension_count)
    centres = 0.35 * rng.normal(size=(CLASS_COUNT, dimension_count))
    classes = rng.integers(0, CLASS_COUNT, STORED_COUNT + QUERY_COUNT)
    points = (centres[classes] + rng.normal(size=(len(classes), dimension_count))).astype(np.float32)
    labels = np.array([f"class {index}" for index in classes[:STORED_COUNT]])
    return points[:STORED_COUNT], labels, points[STORED_COUNT:]


def check_agreement(all_of_them: Mapping[str, Query], queries: Points) -> None:
    """Raises AssertionError when ours and theirs do not answer alike: what differs must not be timed as one."""
    for query in queries:
        ours, theirs, plain = (all_of_them[name](query) for name in ("predict", "faiss predict", "python"))
        answers = [_answer(prediction) for prediction in (ours, theirs, plain)]
        if answers.count(answers[0]) != len(answers):
            raise AssertionError(f"expected equal neighbours, got {answers}")


def _answer(prediction: Any) -> tuple[object, ...]:
    return prediction.label, [neighbour.sample_id for neighbour in prediction.neighbours]


def measure(dimension_count: int, round_count: int) -> dict[str, list[float]]:
    """Microseconds of CPU per query of every contender, one entry per round in which it took part."""
    points, labels, queries = made_up(dimension_count)
    all_of_them = contenders(points, labels)
    check_agreement(all_of_them, queries)
    times: dict[str, list[float]] = {name: [] for name in all_of_them}
    for number in range(round_count):
        for name in FASTER if number % SLOW_EVERY else FASTER + SLOWER:
            query = all_of_them[name]
            start = time.process_time()
            for point in queries:
                query(point)
            times[name].append(1e6 * (time.process_time() - start) / len(queries))
    return times


def ratios(times: Mapping[str, list[float]], ours: str, theirs: str) -> tuple[float, list[float]]:
    """The median of the rounds' ratios, and its 10th and 90th percentile; both of a round ran one after the other."""
    pairs = zip(times[ours][:: _step(times, ours, theirs)], times[theirs], strict=True)
    values = [first / second for first, second in pairs]
    low, middle, high = np.percentile(values, (10, 50, 90))
    return round(float(middle), 3), [round(float(low), 3), round(float(high), 3)]


def _step(times: Mapping[str, list[float]], ours: str, theirs: str) -> int:
    return SLOW_EVERY if len(times[theirs]) < len(times[ours]) else 1


def main() -> None:
    """Parses the arguments, measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    figures: dict[str, float] = {}
    spread: dict[str, list[float]] = {}
    for count in DIMENSION_COUNTS:
        times = measure(count, QUICK_ROUND_COUNT if options.quick else ROUND_COUNT)
        for name, values in times.items():
            figures[f"{name.replace(' ', '_').replace('-', '_')}_{count}_us"] = round(
                float(np.median(values)), 2
            )
            print(f"{count:5} dimensions  {name:14} {np.median(values):10.1f} us", flush=True)
        for key, ours, theirs in (
            ("ratio_to_faiss", "search", "faiss search"),
            ("predict_ratio_to_faiss_predict", "predict", "faiss predict"),
            ("predict_ratio_to_faiss_search", "predict", "faiss search"),
            ("ratio_to_sklearn", "predict", "scikit-learn"),
        ):
            figures[f"{key}_{count}"], spread[f"{key}_{count}"] = ratios(times, ours, theirs)
    print(
        json.dumps({"name": "benchmarks.knn", "quick": options.quick, "figures": figures, "spread": spread})
    )


if __name__ == "__main__":
    main()
