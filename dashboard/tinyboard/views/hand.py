"""What one reviewer has at hand: samples seen before, then those leased, and a place among them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tinyboard.views.records import SampleView
from tinyboard.views.reviewing_records import HandView

KEPT = 60
"""Samples that stay within reach of the arrows."""
MOMENTS_KEPT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Which samples a reviewer wants, in which order; an empty field leaves all."""

    reviewer: str
    order: str = ""
    drift_event_id: str = ""
    device_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """Changed by making another.

    Attributes:
        queue: Where the samples come from.
        token: Random; with `undo_count` it names the occasion that a verdict answers.
        samples: Seen ones first, then those that wait.
        place: Of the sample on screen; as many as there are samples when nothing is left.
        expire_times: Leases by sample.
        open_count: Samples that match the queue, whoever has them.
        skipped: Ids of samples put off.
        judged: Ids of samples that got a verdict here, oldest first.
        moments: Of the newest verdicts.
        undo_count: Verdicts taken back.
    """

    queue: Queue
    token: str
    samples: tuple[SampleView, ...] = ()
    place: int = 0
    expire_times: Mapping[str, datetime | None] = field(default_factory=dict)
    open_count: int = 0
    skipped: tuple[str, ...] = ()
    judged: tuple[str, ...] = ()
    moments: tuple[datetime, ...] = ()
    undo_count: int = 0

    @property
    def current(self) -> SampleView | None:
        """The sample on screen."""
        return self.samples[self.place] if self.place < len(self.samples) else None

    @property
    def occasion(self) -> str:
        """What a verdict given now answers: another one once something was taken back."""
        return f"{self.token}/{self.undo_count}"

    @property
    def waiting_count(self) -> int:
        """Leased samples without a verdict."""
        return len(self.expire_times)

    def expired(self, sample_id: str, now: datetime) -> bool:
        """Whether somebody else may have been handed a sample that was leased."""
        until = self.expire_times.get(sample_id)
        return until is not None and until <= now


def dealt(hand: Hand, view: HandView) -> Hand:
    """The hand after leasing: new samples follow the others; what is not leased any more leaves, if it waits."""
    leased = {lease.sample.sample_id: lease for lease in view.leases}
    stays = [
        sample
        for sample in hand.samples
        if sample.sample_id in leased or sample.sample_id not in hand.expire_times
    ]
    known = {sample.sample_id for sample in stays}
    samples = _cut((*stays, *(one.sample for key, one in leased.items() if key not in known)))
    place = _place_of(samples, hand.current.sample_id if hand.current else "")
    return replace(
        hand,
        samples=samples,
        place=place if place < len(samples) else _first_waiting(samples, leased, 0),
        expire_times={key: lease.expire_time for key, lease in leased.items()},
        open_count=view.open_sample_count,
    )


def answered(hand: Hand, sample: SampleView, now: datetime) -> Hand:
    """After a verdict: the sample as it is then, and the next one that waits on screen.

    The same verdict answered twice, for a key pressed too fast, counts once.
    """
    after = _left(hand, sample)
    if sample.sample_id in hand.judged:
        return after
    return replace(
        after,
        open_count=max(hand.open_count - sample.judged, 0),
        judged=(*hand.judged, sample.sample_id)[-KEPT:],
        moments=(*hand.moments, now)[-MOMENTS_KEPT:],
    )


def lost(hand: Hand, sample: SampleView) -> Hand:
    """After somebody else judged or took the sample: the next one."""
    return _left(hand, sample)


def put_off(hand: Hand, sample: SampleView) -> Hand:
    """After a skip: the next one."""
    return replace(_left(hand, sample), skipped=(*hand.skipped, sample.sample_id)[-KEPT:])


def brought_back(hand: Hand) -> Hand:
    """After skipped samples were given back to the queue."""
    return replace(hand, skipped=())


def undone(hand: Hand, sample: SampleView) -> Hand:
    """After a verdict was taken back: its sample on screen again, to be judged on another occasion."""
    samples = tuple(sample if one.sample_id == sample.sample_id else one for one in hand.samples)
    if all(one.sample_id != sample.sample_id for one in samples):
        samples = (sample, *samples)
    return replace(
        hand,
        samples=samples,
        place=_place_of(samples, sample.sample_id),
        judged=tuple(one for one in hand.judged if one != sample.sample_id),
        open_count=hand.open_count + 1,
        undo_count=hand.undo_count + 1,
    )


def moved(hand: Hand, step: int) -> Hand:
    """Another sample on screen, `step` places further; stays within what is at hand."""
    last = max(len(hand.samples) - 1, 0)
    return replace(hand, place=min(max(hand.place + step, 0), last))


def opened_at(hand: Hand, sample: SampleView) -> Hand:
    """A sample that an address names, on screen before all others."""
    others = tuple(one for one in hand.samples if one.sample_id != sample.sample_id)
    return replace(hand, samples=(sample, *others), place=0)


def _left(hand: Hand, sample: SampleView) -> Hand:
    samples = tuple(sample if one.sample_id == sample.sample_id else one for one in hand.samples)
    expire_times = {key: until for key, until in hand.expire_times.items() if key != sample.sample_id}
    place = _first_waiting(samples, expire_times, _place_of(samples, sample.sample_id))
    return replace(hand, samples=samples, expire_times=expire_times, place=place)


def _first_waiting(samples: Sequence[SampleView], leased: Mapping[str, object], start: int) -> int:
    """The next leased sample at or after `start`, else the first; the end when none waits."""
    places = [place for place, sample in enumerate(samples) if sample.sample_id in leased]
    return next((place for place in places if place >= start), places[0] if places else len(samples))


def _place_of(samples: Sequence[SampleView], sample_id: str) -> int:
    ids = [sample.sample_id for sample in samples]
    return ids.index(sample_id) if sample_id in ids else len(ids)


def _cut(samples: Sequence[SampleView]) -> tuple[SampleView, ...]:
    return tuple(samples[-KEPT:])
