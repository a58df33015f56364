"""How many verdicts the open samples of an event still need. Pure."""

from collections.abc import Sequence

from tinysphere.domain.drift import DriftEvent
from tinysphere.domain.sample_groups import LabelBudget

MAIN_SHARE = 0.9


def label_budget(event: DriftEvent, open_counts: Sequence[int]) -> LabelBudget:
    """Counts groups with open samples; a sample without a group is one by itself.

    Args:
        event: With its progress.
        open_counts: Open samples in each of its groups, largest first.
    """
    open_count = max(event.progress.sample_count - event.progress.judged_sample_count, sum(open_counts))
    alone = open_count - sum(open_counts)
    sizes = [*open_counts, *(1 for _ in range(alone))]
    return LabelBudget(
        open_sample_count=open_count,
        open_group_count=len(sizes),
        main_group_count=_main_count(sizes, MAIN_SHARE * open_count),
    )


def _main_count(sizes: Sequence[int], wanted: float) -> int:
    """How many of the largest groups together hold so many samples."""
    held = 0
    for count, size in enumerate(sizes):
        if held >= wanted:
            return count
        held += size
    return len(sizes)
