"""What a device may do by itself in each mode, in one place.

| mode | alarms, evidence | human labels change the classifier |
| --- | --- | --- |
| AUTONOMOUS | yes | yes |
| VALIDATED_LEARNING | yes | yes |
| MONITORING_ONLY | yes | no |
| CENTRALIZED | yes | no: new models come from the server |
"""

from tinylcm.records import Mode

_LEARNS = {
    Mode.AUTONOMOUS: True,
    Mode.VALIDATED_LEARNING: True,
    Mode.MONITORING_ONLY: False,
    Mode.CENTRALIZED: False,
}


def may_learn(mode: Mode) -> bool:
    """Whether labels may change the classifier on the device."""
    return _LEARNS[mode]
