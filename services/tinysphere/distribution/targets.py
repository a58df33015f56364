"""Which devices a rollout is for, and which rollouts can decide for a device. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from tinysphere.distribution.devices import TargetDevice
from tinysphere.domain.rollout_plans import ANY_DEVICE, Target
from tinysphere.domain.rollouts import Rollout, RolloutState


def is_target(rollout: Rollout, device: TargetDevice, *, has_joined: bool = False) -> bool:
    """Whether a device fulfils all that a rollout asks of its targets.

    Args:
        has_joined: The device was offered the rollout before: what it runs may have changed by that.
    """
    target = rollout.target
    return (
        targets(rollout.target_labels, device.labels)
        and all(condition.holds(device.labels) for condition in target.label_conditions)
        and _is_among(device.device_id, target.device_ids)
        and _is_among(device.machine, target.machines)
        and (has_joined or _runs_what_is_asked(target, device))
    )


def targets(target_labels: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a device with ``labels`` is meant by ``target_labels``."""
    return target_labels.items() <= labels.items()


def in_order(rollouts: Iterable[Rollout]) -> list[Rollout]:
    """Those that decide first, first: the highest priority, and of these the one started last."""
    return sorted(
        rollouts, key=lambda rollout: (rollout.strategy.priority, rollout.start_revision), reverse=True
    )


def deciding(rollouts: Iterable[Rollout]) -> tuple[Rollout, ...]:
    """Of the standing ``rollouts``, those that can decide for any device, in order.

    One that an earlier one in this order covers for good never decides, so what is left stays short however many
    rollouts a fleet has seen.
    """
    kept: list[Rollout] = []
    covers: list[Mapping[str, str]] = []
    for rollout in in_order(rollouts):
        if any(targets(cover, rollout.target_labels) for cover in covers):
            continue
        kept.append(rollout)
        if _covers(rollout):
            covers.append(rollout.target_labels)
    return tuple(kept)


class Candidates:
    """Rollouts by what a device must have to be a target: finding a device's own takes no longer with more of them."""

    def __init__(self, rollouts: Iterable[Rollout]) -> None:
        self._ordered = deciding(rollouts)
        self._places = {rollout.rollout_id: place for place, rollout in enumerate(self._ordered)}
        self._by_device: dict[str, list[int]] = defaultdict(list)
        self._by_bundle: dict[str, list[int]] = defaultdict(list)
        self._by_label: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._others: list[int] = []
        for place, rollout in enumerate(self._ordered):
            self._file(place, rollout)

    def meant(self, device: TargetDevice, joined: Collection[str]) -> Sequence[Rollout]:
        """Rollouts whose target a device is, in order.

        Args:
            joined: Ids of the rollouts that were offered to the device.
        """
        places = {self._places[rollout_id] for rollout_id in joined if rollout_id in self._places}
        places.update(self._others, self._by_device.get(device.device_id, ()))
        places.update(self._by_bundle.get(device.running_bundle_sha256, ()))
        for label in device.labels.items():
            places.update(self._by_label.get(label, ()))
        found = (self._ordered[place] for place in sorted(places))
        return [one for one in found if is_target(one, device, has_joined=one.rollout_id in joined)]

    def _file(self, place: int, rollout: Rollout) -> None:
        """Under the narrowest of what it asks."""
        target = rollout.target
        for index, keys in (
            (self._by_device, target.device_ids),
            (self._by_bundle, target.running_bundle_sha256s),
        ):
            if keys:
                for key in keys:
                    index[key].append(place)
                return
        if rollout.target_labels:
            self._by_label[max(rollout.target_labels.items())].append(place)
        else:
            self._others.append(place)


def _covers(rollout: Rollout) -> bool:
    """Whether every device with its labels is decided for by it: nothing more is asked, and all waves are open."""
    is_open = rollout.wave_index == len(rollout.strategy.waves) - 1 or rollout.state is RolloutState.SUCCEEDED
    return rollout.target == ANY_DEVICE and rollout.state is not RolloutState.PAUSED and is_open


def _runs_what_is_asked(target: Target, device: TargetDevice) -> bool:
    return _is_among(device.running_model_name, target.running_model_names) and _is_among(
        device.running_bundle_sha256, target.running_bundle_sha256s
    )


def _is_among(value: str, wanted: Sequence[str]) -> bool:
    return not wanted or value in wanted
