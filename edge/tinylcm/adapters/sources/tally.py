"""What a source lost: counts of this boot, for the vitals."""

import logging
from dataclasses import dataclass

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class SourceTally:
    """Written by the source's thread only; each count only grows.

    Attributes:
        dropped_frames: Whole frames that left because the pipeline had no time for them.
        missed_frames: Frames that their sender numbered and that never arrived whole.
        malformed_inputs: Runs of bytes, lines or files that no frame could be made of.
        outages: Times the source was lost, or could not be opened in the first place.
    """

    dropped_frames: int = 0
    missed_frames: int = 0
    malformed_inputs: int = 0
    outages: int = 0

    def count_malformed(self, reason: str) -> None:
        """Counts, and tells the log of the 1st, 2nd, 4th, 8th ...: a broken sensor must not fill it."""
        self.malformed_inputs += 1
        if self.malformed_inputs & (self.malformed_inputs - 1) == 0:
            _LOGGER.warning("input number %d that is no frame: %s", self.malformed_inputs, reason)
