"""What every drift monitor promises, whatever it watches."""

from typing import NamedTuple, Protocol

from tinylcm.ports import Json
from tinylcm.records import Alarm, Observation, Recovery


class Reading(NamedTuple):
    """Where a test stands after an observation; an alarm is due when the statistic exceeds the threshold.

    While a drift lasts its test rests, and the statistic stays where it was.
    """

    detector: str
    statistic: float
    threshold: float


class Monitor(Protocol):
    """Reads one observation after the other and says when the stream left its reference, and when it came back.

    One sustained drift gives one `Alarm` and, when it ends, one `Recovery`. The reference is frozen: no
    observation changes it. The state has a fixed size.
    """

    @property
    def name(self) -> str:
        """Stable name, as it appears in `Alarm.detector`."""

    @property
    def drifting(self) -> bool:
        """Whether an alarm stands that has not recovered."""

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Where each of its tests stands, for plots; a combination of monitors has several."""

    def update(self, observation: Observation) -> Alarm | Recovery | None:
        """Reads one observation.

        Raises:
            InputError: A value the monitor needs is not finite; the message names it, the state is as before.
        """

    def reset(self) -> None:
        """Forgets the stream and keeps the reference."""

    def state(self) -> Json:
        """Returns what `restore` needs, as JSON values."""

    def restore(self, state: Json) -> None:
        """Takes up a stored state of an equally calibrated monitor.

        Raises:
            StateError: The state is another monitor's or damaged; the monitor is as before.
        """
