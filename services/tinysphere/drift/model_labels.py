"""Classes that models came with become known to the catalogue of labels, as samples bring their names."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice

from tinysphere.domain.drift import Sample
from tinysphere.domain.labels import MAX_KEY_CHARACTERS, label_key
from tinysphere.drift.naming import add_labels
from tinysphere.storage.ports.drift import DriftTransaction

MODEL_CREATOR = "model"
MAX_LOOKED_UP = 1_000
"""Names of one request that are looked up; the others are when they come again."""
MAX_LABELS = 10_000
"""A catalogue that holds as many takes no more from devices, whatever they send; people may still add to it."""
MAX_REMEMBERED = 50_000


class ModelLabels:
    """Remembers which names the catalogue has, so that samples as usual cost it nothing.

    Names stay names: a label that is renamed or merged leaves its name as an alias.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()

    def learn(self, samples: Sequence[Sample], *, now: datetime, transaction: DriftTransaction) -> None:
        """Adds the names that samples bring and nothing is called by; comes first in its transaction."""
        devices = _names(samples)
        wanted = list(islice((name for name in devices if name not in self._known), MAX_LOOKED_UP))
        if not wanted:
            return
        found = transaction.labels.find(wanted)
        if len(found) < len(wanted):
            self._add({name: devices[name] for name in wanted if name not in found}, now, transaction)
        self._remember(found)

    def _add(self, devices: Mapping[str, str], now: datetime, transaction: DriftTransaction) -> None:
        transaction.settings.share()
        found = transaction.labels.find(devices.keys())  # maybe renamed before we held the settings
        room = MAX_LABELS - transaction.labels.total()
        fitting = (name for name in devices if name not in found and _is_name(name))
        missing = {name: devices[name] for name in islice(fitting, max(room, 0))}
        creators = dict.fromkeys(missing, MODEL_CREATOR)
        add_labels(creators, actors=missing, now=now, transaction=transaction)

    def _remember(self, names: Mapping[str, str]) -> None:
        if len(self._known) + len(names) > MAX_REMEMBERED:
            self._known.clear()
        self._known.update(names)


def _names(samples: Sequence[Sample]) -> Mapping[str, str]:
    """The device that brought each name first."""
    devices: dict[str, str] = {}
    for sample in samples:
        for name in (sample.predicted_label, *(neighbour.label for neighbour in sample.neighbours)):
            devices.setdefault(name, sample.device_id)
    return devices


def _is_name(name: str) -> bool:
    return 0 < len(label_key(name)) <= MAX_KEY_CHARACTERS
