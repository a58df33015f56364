"""Models and rollouts as people read and type them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from tinyboard.views import colours, words
from tinyboard.views.model_records import DeploymentView, RolloutView, VersionView

DONE = ("COMMITTED", "ROLLED_BACK", "FAILED", "REJECTED", "CANCELLED")
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "DRAFT": ("start", "abort"),
    "RUNNING": ("pause", "abort"),
    "PAUSED": ("resume", "abort"),
}
"""What may be done to a rollout in a state."""
CONSEQUENCES: Mapping[str, str] = {
    "start": "It is offered to its targets at their next contact.",
    "pause": "Nobody new is offered it; devices that began go on.",
    "resume": "It is offered to its targets again.",
    "abort": "It ends for good, and is withdrawn from devices that have not switched.",
}


def version_rows(versions: Sequence[VersionView]) -> list[dict[str, object]]:
    """One row a version, with a column for each metric that any of them has."""
    names = sorted({name for version in versions for name, _ in version.metrics})
    return [
        {
            "Version": version.model.version,
            "Aliases": ", ".join(version.aliases),
            **{name: dict(version.metrics).get(name) for name in names},
            "Classes": ", ".join(version.class_names),
            "Size": words.size(version.size_bytes),
            "Signed by": version.signing_key_id,
            "Published": version.publish_time,
        }
        for version in versions
    ]


def line(rollout: RolloutView, now: datetime) -> str:
    """A rollout in one line of Markdown."""
    state = colours.badge(colours.ROLLOUT_STATE_COLOURS, rollout.state)
    targets = ", ".join(f"{key}={value}" for key, value in rollout.target_labels) or "all devices"
    details = (targets, f"by {rollout.operator}", words.age(rollout.create_time, now))
    return f"{state} **{words.plain(rollout.model.title)}** :gray[· {words.plain(' · '.join(details))}]"


def counts(rollout: RolloutView) -> str:
    """Devices by the state of their deployment, as badges."""
    return " ".join(
        f":{colours.DEPLOYMENT_STATE_COLOURS.get(state, 'gray')}-badge[{words.title_case(state)} {count:,}]"
        for state, count in rollout.counts
    )


def share_done(rollout: RolloutView) -> float:
    """Share of the devices that came to an end, 0 to 1."""
    total = sum(count for _, count in rollout.counts)
    return sum(count for state, count in rollout.counts if state in DONE) / total if total else 0.0


def deployment_rows(deployments: Sequence[DeploymentView]) -> list[dict[str, object]]:
    """One row a device."""
    return [
        {
            "Device": one.device_id,
            "State": words.title_case(one.state),
            "Why": one.reason,
            "Reported": one.report_time,
        }
        for one in deployments
    ]


def labels_of(text: str) -> dict[str, str]:
    """Labels as somebody typed them; raises `ValueError` on what is none.

    >>> labels_of("site=berlin, line = 4")
    {'site': 'berlin', 'line': '4'}
    """
    labels = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals and value):
            raise ValueError(f"expected label=value, got {part!r}")
        labels[key] = value
    return labels
