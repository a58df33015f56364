"""The rules of the Settings page: labels, policy and rules of notifications as people read and type them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time

from tinyboard.views import colours, words
from tinyboard.views.notification_records import DeliveryView, RuleView
from tinyboard.views.reviewing_records import LabelView

POLICIES: Mapping[str, str] = {
    "ONE": "The first verdict decides",
    "AGREEMENT": "Several reviewers must agree",
    "ADJUDICATOR": "An adjudicator decides where they disagree",
}
TOPICS: Mapping[str, str] = {
    "DRIFT_EVENT": "A drift event arrived",
    "SYSTEMIC_DRIFT": "A drift turned out to be systemic",
    "DEVICE_OFFLINE": "A device was not heard of for an hour",
    "PACKAGE_FAILED": "A package could not be processed",
}
MODEL = "model"
"""Creator of labels that came with a model."""


def label_rows(labels: Sequence[LabelView]) -> list[dict[str, object]]:
    """One row a label."""
    return [
        {
            "Label": label.name,
            "Samples": label.sample_count,
            "Also written": ", ".join(label.aliases),
            "Added by": "a model" if label.creator == MODEL else label.creator,
            "Added": label.create_time,
        }
        for label in labels
    ]


def folded(name: str) -> str:
    """What two spellings of one label have in common, as the server compares them, for ordinary letters."""
    return " ".join(name.split()).casefold()


def preview(name: str, new_name: str, labels: Sequence[LabelView]) -> str:
    """What renaming would do, as Markdown; "" when there is nothing to do."""
    spelled = " ".join(new_name.split())
    old = next((label for label in labels if label.name == name), None)
    if old is None or not spelled or spelled == name:
        return ""
    target = next((one for one in labels if folded(spelled) in map(folded, (one.name, *one.aliases))), None)
    moved = f"{old.sample_count:,} samples judged **{words.plain(name)}** become"
    told = "Their devices are sent that as feedback." if old.sample_count else "No device is concerned."
    if target is None or target.name == name:
        return f"{moved} **{words.plain(spelled)}**. {told}"
    return (
        f"{moved} **{words.plain(target.name)}**, which has {target.sample_count:,} itself: a merge. {told}"
    )


def rule_line(rule: RuleView) -> str:
    """A rule in one line of Markdown."""
    state = ":green-badge[On]" if rule.enabled else ":gray-badge[Off]"
    topics = ", ".join(TOPICS.get(topic, topic) for topic in rule.topics)
    return f"{state} **{words.plain(rule.name)}** :gray[· {words.plain(topics)}]"


def rule_details(rule: RuleView) -> str:
    """Limits, channels and quiet hours of a rule, as Markdown."""
    parts = [f"from {words.title_case(rule.minimum_severity)}"] if rule.minimum_severity else []
    parts += [words.TYPE_WORDS.get(one, one) for one in rule.types]
    parts += [f"the same once in {words.duration(rule.repeat_s)}"] if rule.repeat_s else []
    if rule.quiet is not None:
        start, end = clock(rule.quiet.start_minute), clock(rule.quiet.end_minute)
        parts.append(f"quiet {start:%H:%M} to {end:%H:%M} {rule.quiet.time_zone}")
    return " · ".join(map(words.plain, [*parts, *rule.channels]))


def delivery_rows(deliveries: Sequence[DeliveryView], names: Mapping[str, str]) -> list[dict[str, object]]:
    """One row a delivery; `names` of the rules by id."""
    return [
        {
            "Time": one.create_time,
            "State": words.title_case(one.state),
            "Rule": names.get(one.rule_id, "deleted rule"),
            "Title": one.title,
            "Channel": one.channel,
            "Attempts": one.attempt_count,
            "Error": one.error,
        }
        for one in deliveries
    ]


def delivery_line(delivery: DeliveryView) -> str:
    """How a test ended on one channel, as Markdown."""
    state = colours.badge(colours.DELIVERY_STATE_COLOURS, delivery.state)
    error = f" :red[{words.plain(delivery.error)}]" if delivery.error else ""
    return f"{state} {words.plain(delivery.channel)}{error}"


def clock(minute: int) -> time:
    """A minute of the day as a time.

    >>> clock(1_350)
    datetime.time(22, 30)
    """
    return time(minute // 60 % 24, minute % 60)


def minute(moment: time) -> int:
    """A time as a minute of the day.

    >>> minute(time(22, 30))
    1350
    """
    return 60 * moment.hour + moment.minute


def changed(reviewer: str, moment: datetime | None, now: datetime) -> str:
    """Who changed something last, and when."""
    return f"Last changed by {reviewer} {words.age(moment, now)}." if moment else "As the server started."
