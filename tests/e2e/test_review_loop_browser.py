"""From a drift event to its proven effect: a person in a real browser, the real server, a real device process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Page, expect

from demo.dataset import load_subset
from demo.device import Device
from demo.scenario import tell
from demo.server import TIMEOUT_S, read_all
from tests.conftest import Need
from tests.e2e.drift_hub_person import CARD, PATIENCE_MS, current, judge
from tests.e2e.lone_device import fit_bundle
from tests.support.browser import chromium, running_browser
from tests.support.drift_hub import DriftHub
from tests.support.waiting import eventually
from tests.tinylcm.builders import KEY
from tinymlops.v1 import drift_pb2, drift_service_pb2, feedback_pb2
from tinysphere.domain.ids import new_id

ENOUGH_SAMPLES = 25
PATIENCE_S = 180.0
WITHDRAWN = drift_pb2.DECISION_WITHDRAWN

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Everything that runs, and what is true of what the device saw."""

    hub: DriftHub
    device: Device

    @property
    def device_id(self) -> str:
        return self.device.story.device_id

    def event(self) -> drift_pb2.DriftEvent:
        """The device's event with most samples."""
        events = self.hub.server.events_of(self.device_id)
        return max(events, key=lambda event: event.sample_count, default=drift_pb2.DriftEvent())

    def samples(self, drift_event_id: str) -> dict[str, drift_pb2.Sample]:
        request = drift_service_pb2.ListSamplesRequest(drift_event_id=drift_event_id, page_size=500)
        rows = read_all(self.hub.server.drift.ListSamples, request, "samples")
        return {sample.sample_id: sample for sample in rows}

    def truth(self, sample: drift_pb2.Sample) -> str:
        return self.device.story.truth()[sample.source_index]

    def verdicts(self, sample_id: str) -> list[drift_pb2.Verdict]:
        request = drift_service_pb2.ListVerdictsRequest(sample_id=sample_id, page_size=500)
        return list(self.hub.server.drift.ListVerdicts(request, timeout=TIMEOUT_S).verdicts)

    def judge_elsewhere(self, sample_id: str) -> None:
        """Another client is faster."""
        verdict = drift_pb2.Verdict(
            verdict_id=new_id(), sample_id=sample_id, reviewer="bob", decision=drift_pb2.DECISION_UNUSABLE
        )
        request = drift_service_pb2.SubmitVerdictsRequest(verdicts=[verdict])
        self.hub.server.drift.SubmitVerdicts(request, timeout=TIMEOUT_S)

    def applied(self) -> list[feedback_pb2.FeedbackItem]:
        items = self.hub.server.feedback_of(self.device_id)
        return [one for one in items if one.outcome == feedback_pb2.FEEDBACK_OUTCOME_APPLIED]


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    """The server offers a model; the device fetched it, saw what it knows, and then met bags."""
    trusted_key = tmp_path / "release.pub.pem"
    trusted_key.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    hub = DriftHub(tmp_path, trusted_key=trusted_key)
    story = tell(load_subset(), seed=1)[0]
    device = Device(
        story,
        folder=tmp_path / "devices",
        log_folder=tmp_path / "logs",
        targets=hub.server.addresses,
        trusted_key=trusted_key,
        seed=1,
    )
    try:
        hub.start()
        version = hub.server.publish(fit_bundle(tmp_path), "fashion")
        hub.server.roll_out(version.model)
        device.start()
        device.show("before")
        device.show("during")
        found = Loop(hub=hub, device=device)
        eventually(lambda: _has_told(found), timeout_s=PATIENCE_S, every_s=0.5)
        yield found
    finally:
        device.stop()
        hub.stop()


def _has_told(loop: Loop) -> bool:
    """Whether the device saw everything and the server has what it noticed."""
    seen = loop.device.predictions()
    if loop.device.story.phase_range("during")[-1] not in seen:
        return False
    waiting = loop.hub.server.device(loop.device_id).status.outbox_count
    return not waiting and loop.event().sample_count >= ENOUGH_SAMPLES


@pytest.fixture
def page(loop: Loop, need: Need) -> Iterator[Page]:
    program = chromium()
    need("chromium", program is not None, "apt-get install chromium")
    assert program is not None
    with running_browser(program) as browser:
        window = browser.new_context(viewport={"width": 1280, "height": 1000}, base_url=loop.hub.url)
        window.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield window.new_page()


def test_from_a_drift_event_to_its_proven_effect(page: Page, loop: Loop) -> None:
    event_id = loop.event().drift_event_id
    samples = loop.samples(event_id)
    page.goto(f"/review?event={event_id}")
    expect(page.locator(CARD)).to_be_visible()

    judged = [judge(page, loop.truth(samples[current(page)])) for _ in range(10)]
    assert len(set(judged)) == 10
    assert all(loop.verdicts(one)[-1].reviewer == "local-reviewer" for one in judged)

    undo_and_judge_again(page, loop, judged[-1], loop.truth(samples[judged[-1]]))
    meet_a_sample_that_somebody_judged(page, loop)
    judge_a_group(page, loop, event_id)
    see_the_effect(page, loop, event_id)


def undo_and_judge_again(page: Page, loop: Loop, sample_id: str, label: str) -> None:
    current(page)
    page.keyboard.press("z")
    expect(page.locator(f".st-key-card-{sample_id}")).to_be_visible()
    assert loop.verdicts(sample_id)[-1].decision == WITHDRAWN
    assert current(page) == sample_id
    assert judge(page, label) == sample_id
    assert loop.verdicts(sample_id)[-1].decision != WITHDRAWN


def meet_a_sample_that_somebody_judged(page: Page, loop: Loop) -> None:
    stale = current(page)
    loop.judge_elsewhere(stale)
    page.keyboard.press("d")
    expect(page.get_by_text("judged already").first).to_be_visible()
    expect(page.locator(f".st-key-card-{stale}")).to_have_count(0)
    assert [one.reviewer for one in loop.verdicts(stale)] == ["bob"]
    current(page)


def judge_a_group(page: Page, loop: Loop, event_id: str) -> None:
    """Judges the largest group by one key, with the label that most of its samples truly have."""
    page.goto(f"/groups?event={event_id}")
    page.get_by_role("link", name="Judge").first.click()
    expect(page.get_by_text(r"One verdict on")).to_be_visible()
    expect(page.locator("[data-test-script-state='notRunning']")).to_be_visible()
    page.wait_for_url("**group=**")
    (group_id,) = parse_qs(urlsplit(page.url).query)["group"]
    members = [
        one
        for one in loop.samples("").values()
        if one.group_id == group_id and one.state == drift_pb2.SAMPLE_STATE_OPEN
    ]
    ((label, _),) = Counter(map(loop.truth, members)).most_common(1)
    page.locator(f"[class*='st-key-label-{label}-'] button").click()
    expect(page.get_by_text(f"{len(members)} samples judged")).to_be_visible()
    assert {loop.verdicts(one.sample_id)[-1].group_id for one in members} == {group_id}


def see_the_effect(page: Page, loop: Loop, event_id: str) -> None:
    """The device learnt what was judged and measured what that brought; the page says so."""
    eventually(loop.applied, timeout_s=PATIENCE_S, every_s=0.5)
    page.goto(f"/review?event={event_id}")
    expect(page.get_by_text("Applied").first).to_be_visible()
    metric = page.get_by_test_id("stMetric").filter(has_text="Right on judged samples").first
    expect(metric).to_contain_text("→")
    effect = loop.applied()[0].effect
    assert effect.judged_sample_count > 0
    assert effect.judged_accuracy_after >= effect.judged_accuracy_before
