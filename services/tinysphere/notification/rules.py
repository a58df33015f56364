"""Keeps the rules, and the secrets of their channels."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tinysphere.domain.audit import AuditRecord
from tinysphere.domain.clock import Clock
from tinysphere.domain.notifications import Channel, NotificationRule
from tinysphere.errors import InvalidFieldError
from tinysphere.notification.channel_urls import is_redacted
from tinysphere.notification.channels import ChannelError, Channels
from tinysphere.storage.ports.notifications import NotificationStore

MAX_RULES = 100


class Rules:
    """Each method is one transaction and may be repeated."""

    def __init__(
        self, store: NotificationStore, channels: Channels, clock: Clock, new_id: Callable[[], str]
    ) -> None:
        self._store = store
        self._channels = channels
        self._clock = clock
        self._new_id = new_id

    def put(self, rule: NotificationRule, urls: Sequence[str]) -> NotificationRule:
        """Adds or replaces a rule.

        Args:
            rule: The rule without its channels.
            urls: Its channels; one that the rule has already, with or without its secrets, stays as it is.

        Raises:
            InvalidFieldError: A channel cannot be used.
            ExhaustedError: TOO_MANY_RULES.
        """
        standing = self._store.find_rule(rule.rule_id)
        held = list(standing.channels) if standing else []
        named = [self._channel(f"rule.channels[{index}]", url, held) for index, url in enumerate(urls)]
        whole = replace(rule, channels=tuple(named))
        record = AuditRecord(
            audit_time=whole.update_time,
            actor=whole.reviewer,
            action="notification_rule.put",
            subject=whole.rule_id,
            from_value=told(standing) if standing else "",
            to_value=told(whole),
        )
        self._store.put_rule(whole, maximum=MAX_RULES, record=record)
        return whole

    def delete(self, rule_id: str, *, reviewer: str) -> None:
        """Deletes a rule, if there is one."""
        now, standing = self._clock.now(), self._store.find_rule(rule_id)
        record = AuditRecord(
            audit_time=now,
            actor=reviewer,
            action="notification_rule.delete",
            subject=rule_id,
            from_value=told(standing) if standing else "",
            to_value="",
        )
        self._store.delete_rule(rule_id, now=now, record=record)

    def _channel(self, field: str, url: str, held: list[Channel]) -> Channel:
        for channel in held:
            if url in (channel.shown, channel.url):
                held.remove(channel)  # two of one look are told apart by their order
                return channel
        if is_redacted(url):
            raise InvalidFieldError(
                field, "a channel of this rule as it was returned, or one with its secrets"
            )
        try:
            return Channel(channel_id=self._new_id(), url=url, shown=self._channels.shown(url))
        except ChannelError as error:
            raise InvalidFieldError(field, f"a channel that can be used: {error}") from error


def told(rule: NotificationRule) -> str:
    """A rule in one line, without secrets."""
    quiet, severity = rule.quiet_hours, rule.minimum_severity
    parts = [
        rule.name,
        "on" if rule.enabled else "off",
        "about " + ", ".join(sorted(topic.value for topic in rule.topics)),
        f"from {severity.value}" if severity else "any severity",
        ", ".join(sorted(kind.value for kind in rule.types)) or "any type",
        "to " + ", ".join(channel.shown for channel in rule.channels),
        f"once in {rule.repeat_interval.total_seconds():g} s",
        f"quiet {quiet.start_minute} to {quiet.end_minute} min {quiet.time_zone}" if quiet else "never quiet",
    ]
    return "; ".join(parts)
