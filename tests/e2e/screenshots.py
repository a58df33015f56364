"""Takes the screenshots of the documentation from the real thing: `python -m tests.e2e.screenshots`."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.drift_hub_person import PATIENCE_MS, current, judge, review
from tests.e2e.test_drift_hub_browser import BERLIN, HAMBURG
from tests.support.browser import chromium, running_browser
from tests.support.drift_hub import DriftHub
from tests.support.telemetry import a_day, send_telemetry

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
JUDGED_COUNT = 24


def main() -> None:
    """Reviews a part of one event, lets the device answer, and photographs the pages."""
    program = chromium()
    assert program is not None, "apt-get install chromium"
    expect.set_options(timeout=PATIENCE_MS)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running_browser(program) as browser:
        hub = DriftHub(Path(folder))
        try:
            hub.start()
            window = browser.new_context(viewport={"width": 1280, "height": 1060}, base_url=hub.url)
            _take(window.new_page(), hub)
        finally:
            hub.stop()


def _take(page: Page, hub: DriftHub) -> None:
    fleet = hub.fleet()
    fleet.report()
    review(page, HAMBURG)
    for _ in range(3):
        judge(page, fleet.truth[current(page)])
    review(page, BERLIN)
    for _ in range(JUDGED_COUNT):
        judge(page, fleet.truth[current(page)])
    fleet.answer(BERLIN)
    expect(page.get_by_text(f"Applied {JUDGED_COUNT}")).to_be_visible()
    expect(page.get_by_test_id("stMetric")).to_have_count(2)
    page.screenshot(path=FOLDER / "review.png")
    page.goto("/")
    expect(page.locator(".js-plotly-plot .textpoint").first).to_be_visible()
    expect(page.get_by_test_id("stMetric")).to_have_count(6)
    page.screenshot(path=FOLDER / "fleet.png")
    _tell(hub, datetime.now(UTC))
    page.goto(f"/device?device={BERLIN.device_id}")
    expect(page.locator(".js-plotly-plot .xtick")).not_to_have_count(0)
    expect(page.locator(".js-plotly-plot")).to_have_count(4)
    expect(page.locator("[data-test-script-state='notRunning']")).to_be_visible()
    page.screenshot(path=FOLDER / "device.png")


def _tell(hub: DriftHub, now: datetime) -> None:
    """What the device measured and logged on the day before."""
    logged = [
        (now - timedelta(minutes=3), "INFO", "adaptation committed: 24 labels of people"),
        (now - timedelta(minutes=41), "WARNING", "link is away; 3 packages wait"),
        (now - timedelta(hours=2), "INFO", "started with fashion v1"),
    ]
    target = hub.server.addresses["ingestion"]
    send_telemetry(target, BERLIN.device_id, now, measured=a_day(now), logged=logged)


if __name__ == "__main__":
    main()
