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
    buckets: dict[tuple[int, int], tuple[int, float, float, float, int, float]] = {}
    for series_id, time_us, value in points:
        key = (series_id, time_us - time_us % width_us)
        known = buckets.get(key)
        if known is None:
            buckets[key] = (1, value, value, value, time_us, value)
            continue
        count, total, least, greatest, last_us, last = known
        if time_us > last_us or (time_us == last_us and value > last):
            last_us, last = time_us, value
        if value < least:
            least = value
        elif value > greatest:
            greatest = value
        buckets[key] = (count + 1, total + value, least, greatest, last_us, last)
    return sorted((*key, *summary) for key, summary in buckets.items())
