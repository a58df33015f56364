"""What a device may do by itself in each mode: the one table.

In every mode a device classifies, raises drift events, keeps its quarantine, and sends its evidence when a link to a
server happens to exist; without a server it does all else the same.

A device without any model takes the first one it is offered, whatever its mode: there is nothing to protect yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tinylcm.records import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """Where the modes differ.

    Attributes:
        may_correct_sensor: Re-standardise to what the sensor has become, without a label.
        may_pseudo_label: Learn from labels that it proposed itself.
        may_learn: Learn from labels that people gave.
        may_take_models: Replace its model by a bundle that the server rolls out.
    """

    may_correct_sensor: bool
    may_pseudo_label: bool
    may_learn: bool
    may_take_models: bool


_TABLE: Mapping[Mode, Permissions] = MappingProxyType(
    {
        Mode.AUTONOMOUS: Permissions(
            may_correct_sensor=True, may_pseudo_label=True, may_learn=True, may_take_models=True
        ),
        Mode.VALIDATED_LEARNING: Permissions(
            may_correct_sensor=False, may_pseudo_label=False, may_learn=True, may_take_models=True
        ),
        Mode.CENTRALIZED: Permissions(
            may_correct_sensor=False, may_pseudo_label=False, may_learn=False, may_take_models=True
        ),
        Mode.MONITORING_ONLY: Permissions(
            may_correct_sensor=False, may_pseudo_label=False, may_learn=False, may_take_models=False
        ),
    }
)


def permissions(mode: Mode) -> Permissions:
    """Returns what a device in ``mode`` may do."""
    return _TABLE[mode]
