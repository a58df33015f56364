"""A person at the Drift Hub: a real browser, the real dashboard, the real server, real images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.conftest import Need
from tests.e2e.drift_hub_person import CARD, PATIENCE_MS, current, judge, review
from tests.support.browser import chromium, running_browser
from tests.support.drift_hub import DriftHub
from tests.support.fleet import STORIES, Fleet, Story
from tests.support.waiting import eventually

BERLIN, HAMBURG, DRESDEN, MUNICH = STORIES

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DriftHub]:
    """Server and Drift Hub, running."""
    hub = DriftHub(Path(tmp_path_factory.mktemp("hub")))
    try:
        hub.start()
        yield hub
    finally:
        hub.stop()


@pytest.fixture(scope="module")
def fleet(hub: DriftHub) -> Fleet:
    """Four devices that have told the server what they met."""
    fleet = hub.fleet()
    fleet.report()
    return fleet


@pytest.fixture(scope="module")
def browser(need: Need) -> Iterator[Browser]:
    program = chromium()
    need("chromium", program is not None, "apt-get install chromium")
    assert program is not None
    with running_browser(program) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, hub: DriftHub, fleet: Fleet) -> Iterator[Page]:
    """A fresh window, whose every request must stay on this machine."""
    window = browser.new_context(viewport={"width": 1280, "height": 1000}, base_url=hub.url)
    window.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page = window.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(_host(request)))
    yield page
    window.close()
    assert set(asked) <= {"127.0.0.1", ""}, "the Drift Hub asks nobody else"


def _host(request: Request) -> str:
    """Host of a request; "" for data the page holds itself."""
    found = re.match(r"(?:https?|wss?)://([^/:]+)", request.url)
    return found[1] if found else ""


def test_fleet_shows_the_devices_and_leads_to_a_review(page: Page) -> None:
    page.goto("/")
    for story in STORIES:
        expect(page.get_by_text(story.display_name, exact=True).first).to_be_visible()
    expect(page.locator(".st-key-device-" + HAMBURG.drift_event_id)).to_contain_text("Critical")
    expect(page.locator(".js-plotly-plot .textpoint")).to_have_count(len(STORIES))
    page.locator(f".st-key-device-{HAMBURG.drift_event_id} a").click()
    expect(page.get_by_role("heading", name="camera-2: something new")).to_be_visible()
    assert f"event={HAMBURG.drift_event_id}" in page.url


def test_fleet_follows_the_server_by_itself(page: Page, fleet: Fleet) -> None:
    page.goto("/?show=Drifting")
    expect(page.get_by_text(BERLIN.display_name, exact=True).first).to_be_visible()
    expect(page.locator(".st-key-newest-" + DRESDEN.drift_event_id)).to_be_visible()
    newcomer = Story(
        device_id="camera-5",
        display_name="Leipzig, newcomer",
        location=(51.34, 12.37),
        counters={},
        status={},
        severity="LOW",
        cause="NOVELTY",
        shift_sigma=0.8,
        class_counts={"bag": 2},
    )
    fleet.report((newcomer,))
    expect(page.get_by_text("Leipzig, newcomer", exact=True).first).to_be_visible()


def test_ten_samples_by_keyboard_and_the_devices_answer(page: Page, fleet: Fleet) -> None:
    review(page, BERLIN)
    judged = [judge(page, fleet.truth[current(page)]) for _ in range(10)]

    verdicts = {one.sample_id: one for one in fleet.verdicts(BERLIN.drift_event_id)}
    assert list(verdicts) == judged
    assert all(one.reviewer == "local-reviewer" for one in verdicts.values())
    labelled = {one.sample_id: one.label for one in verdicts.values() if one.label}
    assert labelled == {sample_id: fleet.truth[sample_id] for sample_id in labelled}
    assert "bag" in labelled.values()
    expect(page.locator(".tb-flow")).to_contain_text("10judged")

    effect = fleet.answer(BERLIN)
    expect(page.get_by_text("Applied 10")).to_be_visible()
    metric = page.get_by_test_id("stMetric").filter(has_text="Right on judged samples")
    expect(metric).to_contain_text(f"→ {100 * effect.judged_accuracy_after:.0f} %")
    expect(metric).to_contain_text(
        f"{100 * (effect.judged_accuracy_after - effect.judged_accuracy_before):+.1f} points"
    )


def test_keys_pressed_too_fast_judge_only_what_was_on_screen(page: Page, fleet: Fleet) -> None:
    review(page, HAMBURG)
    seen = current(page)
    for _ in range(4):
        page.keyboard.press("u")
    expect(page.locator(f".st-key-card-{seen}")).to_have_count(0)
    current(page)
    verdicts = fleet.verdicts(HAMBURG.drift_event_id)
    assert [one.sample_id for one in verdicts].count(seen) == 1
    assert len(verdicts) <= 4
    assert len({one.sample_id for one in verdicts}) == len(verdicts)


def test_leaving_a_half_typed_name_judges_nothing(page: Page, fleet: Fleet) -> None:
    review(page, HAMBURG)
    before = len(fleet.verdicts(HAMBURG.drift_event_id))
    sample_id = current(page)
    page.keyboard.press("n")
    expect(page.locator(f".st-key-new-{sample_id} input")).to_be_focused()
    page.keyboard.type("hand")
    page.get_by_role("heading", name="camera-2: something new").click()
    page.keyboard.press("ArrowRight")
    expect(page.locator(f".st-key-card-{sample_id}")).to_have_count(0)
    assert len(fleet.verdicts(HAMBURG.drift_event_id)) == before


def test_features_are_judged_where_there_is_no_picture(page: Page, fleet: Fleet) -> None:
    review(page, DRESDEN)
    expect(page.get_by_text("This device sends features only.").first).to_be_visible()
    expect(page.locator("[class*='st-key-features-'] .js-plotly-plot")).to_be_visible()
    sample_id = current(page)
    page.keyboard.press("d")
    expect(page.locator(f".st-key-card-{sample_id}")).to_have_count(0)
    (verdict,) = fleet.verdicts(DRESDEN.drift_event_id)
    assert (verdict.sample_id, verdict.label) == (sample_id, "")


def test_filters_live_in_the_address(page: Page) -> None:
    page.goto("/review?severity=Medium")
    expect(page.locator(CARD)).to_be_visible()
    expect(page.get_by_role("radio")).to_have_count(2)
    page.get_by_role("button", name="Critical").click()
    expect(page.get_by_role("radio")).to_have_count(3)
    assert "severity=Critical" in page.url
    page.reload()
    expect(page.get_by_role("radio")).to_have_count(3)


def test_resolving_and_reopening_are_kept_in_the_history(page: Page) -> None:
    review(page, DRESDEN)
    page.get_by_label("Resolve this event because").fill("the line was rebuilt")
    page.get_by_role("button", name="Resolve event").click()
    expect(page.get_by_text("the line was rebuilt")).to_be_visible()
    expect(page.get_by_text("This event is resolved")).to_be_visible()
    expect(page.locator(f".st-key-UNUSABLE-{current(page)} button")).to_be_disabled()
    page.get_by_label("Reopen this event because").fill("not all of it")
    page.get_by_role("button", name="Reopen event").click()
    expect(page.get_by_text("not all of it")).to_be_visible()
    expect(page.get_by_role("button", name="Resolve event")).to_be_visible()


@pytest.mark.parametrize(
    ("scheme", "background"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(15, 20, 34)")]
)
def test_light_and_dark_follow_the_browser(
    browser: Browser, hub: DriftHub, scheme: str, background: str
) -> None:
    window = browser.new_context(color_scheme="dark" if scheme == "dark" else "light", base_url=hub.url)
    page = window.new_page()
    page.goto("/")
    expect(page.get_by_role("heading", name="Fleet")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_test_id("stApp")).to_have_css("background-color", background)
    window.close()


def test_pages_say_when_the_server_is_gone_and_come_back(page: Page, hub: DriftHub) -> None:
    review(page, HAMBURG)
    hub.server.kill()
    expect(page.get_by_text("The server does not answer").first).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    hub.server.start()
    expect(page.locator(CARD)).to_be_visible()
    eventually(lambda: current(page))
