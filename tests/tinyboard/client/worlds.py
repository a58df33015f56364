"""One event of three samples, at the real server and at the fake one that the screens are tested with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.hub import FakeHub
from tests.support.fleet import Story
from tinyboard.client.hub import GrpcHub
from tinyboard.client.ports import Hub
from tinyboard.views.records import EventView, SampleView, VerdictView


def told(device_id: str) -> Story:
    """A device that met a bag and two coats."""
    return Story(
        device_id=device_id,
        display_name="Gate",
        location=(0.0, 0.0),
        counters={"prediction_count": 7},
        status={"quarantine_count": 3},
        severity="HIGH",
        cause="NOVELTY",
        shift_sigma=3.0,
        class_counts={"bag": 1, "coat": 2},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A hub that knows one event of three samples, and the device's part."""

    hub: Hub
    drift_event_id: str
    device_id: str
    answer: Callable[[], object]

    def event(self) -> EventView:
        return self.hub.event(self.drift_event_id)[0]

    def samples(self) -> tuple[SampleView, ...]:
        return self.hub.samples(drift_event_id=self.drift_event_id)

    def verdict(self, place: int, decision: str = "NEW_LABEL", label: str = "bag") -> VerdictView:
        sample_id = self.samples()[place].sample_id
        return VerdictView(sample_id=sample_id, reviewer="ada", decision=decision, label=label)


def copy_of(real: GrpcHub, story: Story) -> FakeHub:
    """A fake that starts from what the real one knows of a story."""
    samples = real.samples(drift_event_id=story.drift_event_id)
    fake = FakeHub()
    fake.add(
        devices=[one for one in real.devices() if one.device_id == story.device_id],
        events=[real.event(story.drift_event_id)[0]],
        samples=samples,
        images=[(one.sample_id, real.image(one.sample_id)) for one in samples],
    )
    return fake
