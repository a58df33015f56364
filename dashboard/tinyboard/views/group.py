"""The rules of a group: what it says of itself, which samples show it, which labels suit it."""

from collections.abc import Collection, Mapping, Sequence

from tinyboard.views import words
from tinyboard.views.records import SampleView
from tinyboard.views.reviewing_records import GroupView


def title(group: GroupView) -> str:
    """How many look alike, and what they look like."""
    nearest = f", near {group.nearest_labels[0][0]}" if group.nearest_labels else ""
    return f"{group.sample_count:,} look-alikes{nearest}"


def line(group: GroupView) -> str:
    """A group in one line of Markdown."""
    waiting = (
        f":orange-badge[{group.open_sample_count:,} open]"
        if group.open_sample_count
        else ":green-badge[Judged]"
    )
    return f"{waiting} **{words.plain(title(group))}** :gray[· {_devices(group)} · spread {group.spread:.2f}]"


def details(group: GroupView) -> str:
    """What the model and people said of its samples, as Markdown."""
    parts = [("model says", group.predicted_labels), ("judged", group.judged_labels)]
    told = [f"{name} {_counted(labels)}" for name, labels in parts if labels]
    nearest = ", ".join(
        f"{words.plain(label)} {words.percent(share)}" for label, share in group.nearest_labels
    )
    return " · ".join([*told, f"nearest {nearest}"] if nearest else told) or "Nothing is known of it yet."


def shown(samples: Sequence[SampleView], group: GroupView, limit: int) -> tuple[SampleView, ...]:
    """Open samples to look at: those that represent the group, then the least alike, where outliers are."""
    places = {sample_id: place for place, sample_id in enumerate(group.representative_sample_ids)}
    waiting = [sample for sample in samples if not sample.judged]
    ranked = sorted(
        waiting, key=lambda one: (places.get(one.sample_id, len(places)), one.group_similarity, one.sample_id)
    )
    return tuple(ranked[:limit])


def label_choices(group: GroupView, catalogue: Sequence[str], limit: int) -> tuple[str, ...]:
    """Labels worth offering for a group: what was said of it, what is near, then the catalogue."""
    told = [label for label, _ in (*group.judged_labels, *group.nearest_labels, *group.predicted_labels)]
    return tuple(dict.fromkeys([*told, *catalogue]))[:limit]


def decision_for(label: str, known: Collection[str]) -> str:
    """What choosing a label says of samples that the model called different things."""
    return "CONFIRMED_LABEL" if label in known else "NEW_LABEL"


def names(groups: Sequence[GroupView]) -> Mapping[str, str]:
    """Short names by id for figures: letters in the order of the list, with what the group is near."""
    return {
        group.group_id: f"{place}: {group.nearest_labels[0][0] if group.nearest_labels else 'unknown'}"
        for place, group in enumerate(groups, start=1)
    }


def _devices(group: GroupView) -> str:
    return "1 device" if group.device_count == 1 else f"{group.device_count:,} devices"


def _counted(labels: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{words.plain(label)} {count:,}" for label, count in labels)
