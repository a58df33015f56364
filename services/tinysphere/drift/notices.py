"""Drift in words, for people who are told of it. Pure."""

from datetime import datetime
from enum import Enum

from tinysphere.domain.drift import DriftEvent
from tinysphere.domain.notifications import Notice, NotificationTopic


def arrived(event: DriftEvent) -> Notice:
    """A drift event was reported. One device's drifts of one cause concern the same thing."""
    lines = [
        event.description or f"{event.detector} raised an alarm.",
        f"Shift {event.shift_sigma:.1f} sigma, statistic {event.statistic:.4g} over {event.threshold:.4g}.",
        f"Since {_shown(event.start_time)}, noticed {_shown(event.detect_time)}.",
        f"Model {event.model.model_name} {event.model.version}. Event {event.drift_event_id}.",
    ]
    return Notice(
        topic=NotificationTopic.DRIFT_EVENT,
        subject=event.drift_event_id,
        repeat_key=f"{event.device_id}/{_word(event.cause)}",
        device_id=event.device_id,
        title=f"{_kind(event)} on {event.device_id}",
        body="\n".join(lines),
        severity=event.severity,
        type=event.type,
        notice_time=event.receive_time,
    )


def found_systemic(event: DriftEvent, *, reason: str, now: datetime) -> Notice:
    """A drift reaches far in the fleet. It is one thing, however many of a model's devices see it.

    Args:
        event: The event that tipped it.
        reason: The figures behind it.
        now: The time.
    """
    model = f"{event.model.model_name} {event.model.version}"
    return Notice(
        topic=NotificationTopic.SYSTEMIC_DRIFT,
        subject=event.drift_event_id,
        repeat_key=f"{event.model.bundle_sha256 or model}/{_word(event.cause)}",
        device_id=event.device_id,
        title=f"Systemic {_kind(event)} of model {model}",
        body=f"{reason}\nSeen last on {event.device_id}. Event {event.drift_event_id}.",
        severity=event.severity,
        type=event.type,
        notice_time=now,
    )


def _kind(event: DriftEvent) -> str:
    severity = f"{_word(event.severity)} " if event.severity else ""
    cause = f", {_word(event.cause)}" if event.cause else ""
    return f"{severity}drift ({_word(event.type)}{cause})"


def _word(member: Enum | None) -> str:
    return "" if member is None else str(member.value).replace("_", " ").lower()


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"
