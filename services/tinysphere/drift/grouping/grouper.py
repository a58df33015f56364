"""Groups what devices report, in the background.

What waits stands in the store: a sample without a group. One step takes some samples of one feature space, places them,
and stores where, as a whole or not at all. So a crash delays, and what is stored follows from what was stored.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID, uuid5

from tinysphere.domain.clock import Clock
from tinysphere.domain.drift import Sample
from tinysphere.domain.sample_groups import GroupCentre, GroupingStep
from tinysphere.drift.grouping.lookalikes import Lookalikes, Placed, most_groups
from tinysphere.drift.grouping.representatives import representatives
from tinysphere.jobs.periodic import Periodic
from tinysphere.storage.ports.sample_groups import SampleGroupStore

BATCH_SIZE = 256
POLL_INTERVAL_S = 5.0  # for what another process took in; our own wakes us
MOST_SPACES = 4

_GROUP_IDS = UUID("6f1b1f0c-7d0e-5b8e-9a55-0d6b8a6f2f10")

logger = logging.getLogger(__name__)


def group_id_of(sample_id: str) -> str:
    """Id of the group that a sample founds: the same whoever founds it, and however often."""
    return str(uuid5(_GROUP_IDS, sample_id))


class Grouper:
    """One thread; `wake` it when samples came. Keeps the groups of `MOST_SPACES` feature spaces in memory.

    Args:
        store: Where samples and groups are kept.
        clock: Tells the time.
        grouped: Called after every step that was stored.
    """

    def __init__(self, store: SampleGroupStore, clock: Clock, *, grouped: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._grouped = grouped
        self._spaces: OrderedDict[str, Lookalikes] = OrderedDict()
        self._thread = Periodic("sample-grouper", self._group_all, interval_s=POLL_INTERVAL_S)

    def start(self) -> None:
        """Groups what waits, now and from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the step at work; what was not grouped waits."""
        self._thread.stop()

    def wake(self) -> None:
        """Has the thread look at once. Never blocks."""
        self._thread.wake()

    def group_next(self) -> bool:
        """Groups some samples; returns whether there were any."""
        samples = self._store.ungrouped(limit=BATCH_SIZE)
        if not samples:
            return False
        space = samples[0].embedding.feature_space
        # Out of the memory until what was placed is stored: a step that fails leaves nothing behind.
        lookalikes = self._spaces.pop(space, None) or self._read(samples[0])
        step = self._represented(samples, lookalikes, lookalikes.place(samples))
        if self._store.take_step(step, now=self._clock.now()):
            self._remember(space, lookalikes)
            self._grouped()
        else:
            logger.debug("another grouper was faster; reading feature space %s again", space)
        return True

    def _group_all(self) -> None:
        while not self._thread.stopping and self.group_next():
            pass

    def _read(self, sample: Sample) -> Lookalikes:
        space, width = sample.embedding.feature_space, sample.embedding.dimension_count
        return Lookalikes(
            self._store.get_space(space, dimension_count=width),
            self._store.newest_centres(space, limit=most_groups(width)),
            group_id_of=group_id_of,
        )

    def _remember(self, space: str, lookalikes: Lookalikes) -> None:
        self._spaces[space] = lookalikes
        while len(self._spaces) > MOST_SPACES:
            self._spaces.popitem(last=False)

    def _represented(self, samples: Sequence[Sample], lookalikes: Lookalikes, placed: Placed) -> GroupingStep:
        """Chooses anew which samples show each group, among those that did and those that joined."""
        known = self._store.representative_ids(placed.members.keys() - placed.step.founded)
        shown = self._store.get_samples({sample_id for ids in known.values() for sample_id in ids})
        candidates = {
            group_id: [shown[key] for key in known.get(group_id, ()) if key in shown]
            + [samples[row] for row in rows]
            for group_id, rows in placed.members.items()
        }
        return replace(
            placed.step, centres=_with_representatives(placed.step.centres, candidates, lookalikes)
        )


def _with_representatives(
    centres: Sequence[GroupCentre], candidates: Mapping[str, Sequence[Sample]], lookalikes: Lookalikes
) -> tuple[GroupCentre, ...]:
    return tuple(
        replace(
            centre,
            representative_sample_ids=tuple(
                candidates[centre.group_id][row].sample_id
                for row in representatives(
                    lookalikes.features(candidates[centre.group_id]), lookalikes.centre_features(centre)
                )
            ),
        )
        for centre in centres
    )
