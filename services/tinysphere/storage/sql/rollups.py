"""What metric points come to in the buckets of one width. Pure."""

from collections.abc import Iterable

PointRow = tuple[int, int, float]  # series_id, time_us, value

# series_id, start_us, count, sum, min, max, last_us, last
RollupRow = tuple[int, int, int, float, float, float, int, float]


def rolled_up(points: Iterable[PointRow], width_us: int) -> list[RollupRow]:
    """Summaries by series and time. Points may come in any order, but each only once.

    >>> rolled_up([(1, 61, 4.0), (1, 5, 2.0), (1, 60, 3.0)], 60)
    [(1, 0, 1, 2.0, 2.0, 2.0, 5, 2.0), (1, 60, 2, 7.0, 3.0, 4.0, 61, 4.0)]
    """
    buckets: dict[tuple[int, int], list[PointRow]] = {}
    for point in points:
        series_id, time_us, _ = point
        key = (series_id, time_us - time_us % width_us)
        if key in buckets:
            buckets[key].append(point)
        else:
            buckets[key] = [point]
    return [(*key, *_summary(inside)) for key, inside in sorted(buckets.items())]


def rolled_further(rows: Iterable[RollupRow], width_us: int) -> list[RollupRow]:
    """Summaries of summaries, whose width divides this one.

    >>> rolled_further(rolled_up([(1, 61, 4.0), (1, 5, 2.0), (1, 60, 3.0)], 60), 120)
    [(1, 0, 3, 9.0, 2.0, 4.0, 61, 4.0)]
    """
    buckets: dict[tuple[int, int], list[RollupRow]] = {}
    for row in rows:
        buckets.setdefault((row[0], row[1] - row[1] % width_us), []).append(row)
    return [(*key, *_merged(inside)) for key, inside in sorted(buckets.items())]


_Summary = tuple[int, float, float, float, int, float]


def _summary(points: list[PointRow]) -> _Summary:
    if len(points) == 1:  # as many are
        _, time_us, value = points[0]
        return 1, value, value, value, time_us, value
    values = [value for _, _, value in points]
    last_us, last = max((time_us, value) for _, time_us, value in points)
    return len(values), sum(values), min(values), max(values), last_us, last


def _merged(rows: list[RollupRow]) -> _Summary:
    _, _, counts, sums, least, greatest, _, _ = zip(*rows, strict=True)
    last_us, last = max(row[6:] for row in rows)
    return sum(counts), sum(sums), min(least), max(greatest), last_us, last
