"""What adapting needs besides knowledge: the stream lately, the open drift, and who the device is."""

from dataclasses import dataclass

from tinylcm.core.adapt.predicted_mix import PredictedMix
from tinylcm.core.adapt.quarantine import Quarantine
from tinylcm.pipeline.adaptive_settings import AdaptiveSettings
from tinylcm.pipeline.evidence import EvidenceCollector
from tinylcm.pipeline.recent import RecentFrames
from tinylcm.ports import Clock
from tinylcm.records import ModelReference


@dataclass(slots=True, kw_only=True, eq=False)
class Surroundings:
    """Shared by the parts of one pipeline.

    Attributes:
        recent: The last frames, in memory only.
        mix: Predicted classes of the last undrifted frames.
    """

    quarantine: Quarantine
    evidence: EvidenceCollector
    recent: RecentFrames
    mix: PredictedMix
    settings: AdaptiveSettings
    clock: Clock
    model: ModelReference
