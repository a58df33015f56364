"""How fast a review goes, and how long it will take."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from tinyboard.views import words

PAUSE_S = 120.0
"""Somebody who did nothing for so long was away, and that time does not count."""
FEWEST = 3


def samples_an_hour(moments: Sequence[datetime]) -> float:
    """Verdicts an hour by the gaps between them, without pauses; 0 before there are enough to say.

    >>> from datetime import UTC, timedelta
    >>> start = datetime(2026, 1, 1, tzinfo=UTC)
    >>> round(samples_an_hour([start + timedelta(seconds=4 * n) for n in range(5)]))
    900
    """
    gaps_s = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
    working_s = [gap for gap in gaps_s if gap <= PAUSE_S]
    if len(working_s) < FEWEST or not sum(working_s):
        return 0.0
    return 3_600 * len(working_s) / sum(working_s)


def told(moments: Sequence[datetime], open_count: int) -> str:
    """Rate and time left as people read it; nothing while nobody can tell.

    >>> told([], 10)
    ''
    """
    rate = samples_an_hour(moments)
    if not rate:
        return ""
    left = f" · about {words.duration(3_600 * open_count / rate)} left" if open_count else ""
    return f"{rate:,.0f} samples an hour{left}"
