"""Models and rollouts as people read and type them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from tinyboard.views import colours, words
from tinyboard.views.model_records import DeploymentView, RolloutDecisionView, RolloutView, VersionView

DONE = ("COMMITTED", "ROLLED_BACK", "FAILED", "REJECTED", "CANCELLED")
CONSEQUENCES: Mapping[str, str] = {
    "approve": "It may start, or open the wave it waits for.",
    "start": "It is offered to the devices of its first wave at their next contact.",
    "pause": "Nobody new is offered it; devices that began go on.",
    "resume": "It goes on in spite of the failures there were; the next one counts.",
    "retry": "Devices on which it failed are offered it again.",
    "abort": "It ends for good, and is withdrawn from devices that have not switched.",
}


def actions(rollout: RolloutView) -> tuple[str, ...]:
    """What may be done to a rollout."""
    verbs = {
        "DRAFT": ("start", "abort"),
        "RUNNING": ("pause", "retry", "abort"),
        "PAUSED": ("resume", "retry", "abort"),
    }.get(rollout.state, ())
    return ("approve", *verbs) if verbs and next_approval(rollout) is not None else verbs


def next_approval(rollout: RolloutView) -> int | None:
    """The wave that may be approved now, 0 being the start; None where nothing asks for it."""
    if rollout.state == "DRAFT":
        required = rollout.approval_required or any(wave.approval_required for wave in rollout.waves[:1])
        return 0 if required else None
    following = rollout.wave_index + 1
    if following < len(rollout.waves) and rollout.waves[following].approval_required:
        return following
    return None


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


def wave_rows(rollout: RolloutView) -> list[dict[str, object]]:
    """One row a wave."""
    return [
        {
            "Wave": wave.name,
            "Run it": wave.committed_count,
            "Failed": wave.failed_count,
            "Devices": wave.device_count,
            "Open since": wave.open_time,
            "Successful since": wave.success_time,
        }
        for wave in rollout.waves
    ]


def decision_rows(rollout: RolloutView, decisions: Sequence[RolloutDecisionView]) -> list[dict[str, object]]:
    """One row a decision, newest first."""
    names = dict(enumerate(wave.name for wave in rollout.waves))
    return [
        {
            "When": one.decide_time,
            "What": words.title_case(one.action),
            "Who": one.actor,
            "Wave": names.get(one.wave_index, ""),
            "Why": one.reason,
        }
        for one in reversed(decisions)
    ]


def percents_of(text: str) -> tuple[float, ...]:
    """Percentages as somebody typed them; raises `ValueError` on what is none, or does not grow.

    >>> percents_of("1, 10, 100")
    (1.0, 10.0, 100.0)
    """
    refusal = f"expected growing percentages up to 100, got {text!r}"
    try:
        percents = [float(one) for one in text.replace("%", "").split(",") if one.strip()]
    except ValueError as error:
        raise ValueError(refusal) from error
    if any(not 0 < one <= 100 for one in percents) or percents != sorted(set(percents)):
        raise ValueError(refusal)
    return tuple(percents)


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
