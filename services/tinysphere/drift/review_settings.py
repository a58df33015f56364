"""Keeps what reviewing follows: one change after the other, each by somebody who saw the one before."""

from dataclasses import replace

from tinysphere.domain.audit import AuditRecord
from tinysphere.domain.clock import Clock
from tinysphere.domain.review import ReviewSettings
from tinysphere.errors import SupersededError
from tinysphere.storage.ports.drift import DriftStore


class SettingsDesk:
    """Changes the settings of reviewing."""

    def __init__(self, store: DriftStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def update(self, wanted: ReviewSettings) -> ReviewSettings:
        """Stores settings whose `revision` is the one seen; returns them as stored.

        Raises:
            SupersededError: REVIEW_SETTINGS_CHANGED, somebody was faster.
        """
        now = self._clock.now()
        with self._store.transaction() as transaction:
            present = transaction.settings.lock()
            if wanted.revision != present.revision:
                raise _changed(wanted.revision, present.revision)
            stored = replace(wanted, revision=present.revision + 1, update_time=now)
            transaction.settings.put(stored)
            record = AuditRecord(
                audit_time=now,
                actor=stored.reviewer,
                action="review_settings.update",
                subject="review_settings",
                from_value=told(present),
                to_value=told(stored),
            )
            transaction.audit.add([record])
        return stored


def told(settings: ReviewSettings) -> str:
    """Settings in one line."""
    seconds = settings.lease_duration.total_seconds()
    return (
        f"{settings.policy.value} {settings.required_count} of {settings.reviewer_count}, "
        f"adjudicators: {', '.join(settings.adjudicators) or 'none'}, "
        f"blind: {'yes' if settings.blind else 'no'}, lease: {seconds:g} s, order: {settings.order.value}"
    )


def _changed(seen: int, present: int) -> SupersededError:
    return SupersededError(
        "REVIEW_SETTINGS_CHANGED",
        f"the settings have revision {present} and not {seen}; read them again",
        metadata={"revision": str(present)},
    )
