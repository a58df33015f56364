"""The lineage of adaptations in words."""

from datetime import datetime

from tinyboard.views import colours, words
from tinyboard.views.records import AdaptationView, EffectView


def line(adaptation: AdaptationView, now: datetime) -> str:
    """What was tried, what became of it, and when, as one line of Markdown."""
    state = colours.badge(colours.ADAPTATION_STATE_COLOURS, adaptation.state)
    kind = words.KIND_WORDS.get(adaptation.kind, words.title_case(adaptation.kind))
    return f"{state} **{kind}** :gray[· {words.age(adaptation.decide_time, now)}]"


def details(adaptation: AdaptationView) -> str:
    """What was done, what changed by it, and why it was refused or taken back; "" when nothing was said."""
    told = (
        words.plain(adaptation.description),
        ", ".join(figures(adaptation.effect)) if adaptation.effect else "",
        words.plain(adaptation.reason),
    )
    return " · ".join(part for part in told if part)


def figures(effect: EffectView) -> tuple[str, ...]:
    """Before and after of whatever was measured on any sample."""
    found = []
    if effect.judged_sample_count:
        change = _change(effect.judged_accuracy_before, effect.judged_accuracy_after)
        found.append(f"right on judged {change}")
    if effect.reference_sample_count:
        change = _change(effect.reference_accuracy_before, effect.reference_accuracy_after)
        found.append(f"on reference {change}")
    if effect.stream_sample_count:
        after = words.sigmas(effect.stream_distance_after)
        found.append(f"stream distance {effect.stream_distance_before:+.1f} → {after}")
    return tuple(found)


def _change(before: float, after: float) -> str:
    return f"{100 * before:.0f} → {words.percent(after)}"
