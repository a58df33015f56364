"""A change of what the device knows, ready to be put in place as a whole: knowledge and monitor fit each other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tinylcm.core.drift.calibration import build_monitor
from tinylcm.core.drift.monitor import Monitor
from tinylcm.pipeline.adaptive_settings import AdaptiveSettings
from tinylcm.pipeline.knowledge import Knowledge
from tinylcm.pipeline.recalibration import recalibrate
from tinylcm.pipeline.recent import RecentFrame
from tinylcm.records import Sample


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change:
    """What takes the place of the present knowledge and its monitor."""

    knowledge: Knowledge
    monitor: Monitor


def prepare_change(
    knowledge: Knowledge,
    recent: Sequence[RecentFrame],
    quarantined: Sequence[Sample],
    settings: AdaptiveSettings,
    *,
    number: int,
) -> Change:
    """Calibrates monitors for ``knowledge``: on the stream that it calls normal, if it names one.

    Args:
        knowledge: Changed; its calibration is still the one before.
        recent: The last frames, oldest first.
        quarantined: Samples that some of them became.
        settings: Bounds.
        number: Of the adaptation; makes the random numbers.

    Raises:
        InputError: There is too little to calibrate on.
    """
    since = knowledge.normal_since
    seen = [frame.observation for frame in recent]
    calibration = recalibrate(
        knowledge.learned,
        {one.source_index: one.embedding for one in seen if since is not None and one.source_index >= since},
        {sample.observation.source_index: sample.sample_id for sample in quarantined},
        least_count=settings.recalibration_frame_count,
        rng=np.random.default_rng((settings.seed, number)),
    )
    learned = replace(knowledge.learned, calibration=calibration)
    return keep_calibration(replace(knowledge, learned=learned), settings)


def keep_calibration(knowledge: Knowledge, settings: AdaptiveSettings) -> Change:
    """Makes fresh monitors with the limits that ``knowledge`` holds."""
    return Change(
        knowledge=knowledge,
        monitor=build_monitor(knowledge.learned.calibration, settings.monitor_name),
    )
