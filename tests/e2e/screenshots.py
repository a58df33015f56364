"""Takes the screenshots of the documentation from the real thing: `python -m tests.e2e.screenshots`.

`--look FOLDER` takes every page in light and dark at 1280 and 1920 pixels into a folder, for eyes only.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, expect

from tests.e2e import lively
from tests.e2e.drift_hub_person import PATIENCE_MS
from tests.e2e.lively import BERLIN, DRESDEN, HAMBURG
from tests.support.browser import chromium, running_browser
from tests.support.drift_hub import DriftHub
from tests.tinylcm.builders import KEY

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
JUDGED_COUNT = 24
HEIGHT_PX = 1_060
DRAWN = """
() => !document.querySelector("[data-testid='stSkeleton']") &&
  [...document.querySelectorAll("[data-testid='stPlotlyChart']")].every((one) => one.querySelector(".main-svg"))
"""
LOOKS = [(width_px, scheme) for width_px in (1_280, 1_920) for scheme in ("light", "dark")]


def main() -> None:
    """Brings the Drift Hub to life and photographs its pages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--look", type=Path, help="every width and scheme into this folder instead")
    look: Path | None = parser.parse_args().look
    program = chromium()
    assert program is not None, "apt-get install chromium"
    expect.set_options(timeout=PATIENCE_MS)
    with tempfile.TemporaryDirectory() as folder, running_browser(program) as browser:
        trusted_key = Path(folder) / "release.pub.pem"
        public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        trusted_key.write_bytes(public)
        hub = DriftHub(Path(folder), trusted_key=trusted_key)
        try:
            hub.start()
            pages = _brought_to_life(hub)
            for width_px, scheme in LOOKS if look else LOOKS[:1]:
                target = look / f"{width_px}-{scheme}" if look else FOLDER
                _photograph(browser, hub, pages, target, width_px, scheme)
        finally:
            hub.stop()


def _brought_to_life(hub: DriftHub) -> Mapping[str, str]:
    """Judges a part of three events and lets a device answer; returns the pages to take, by name."""
    fleet = lively.told_by_devices(hub)
    lively.rolled_out(hub)
    lively.with_a_rule(hub)
    for story, count in ((HAMBURG, 3), (DRESDEN, 2), (BERLIN, JUDGED_COUNT)):
        lively.judged(hub, fleet, story, count)
    fleet.answer(BERLIN)
    lively.judged_by_several(hub, fleet)
    group = lively.client_of(hub).groups.listed(open_only=True, limit=1)[0]
    return {
        "review": f"/review?event={BERLIN.drift_event_id}",
        "fleet": "/",
        "device": f"/device?device={BERLIN.device_id}",
        "drift": "/drift",
        "agreement": "/drift?view=Agreement",
        "feedback": "/drift?view=Feedback",
        "audit": "/drift?view=Audit",
        "groups": "/groups",
        "group": f"/groups?group={group.group_id}",
        "map": "/groups?groups-view=Map",
        "models": "/models",
        "packages": "/packages",
        "settings": "/settings?settings-view=Policy",
        "labels": "/settings",
        "notifications": "/settings?settings-view=Notifications",
    }


def _photograph(
    browser: Browser, hub: DriftHub, pages: Mapping[str, str], target: Path, width_px: int, scheme: str
) -> None:
    target.mkdir(parents=True, exist_ok=True)
    window = browser.new_context(
        viewport={"width": width_px, "height": HEIGHT_PX},
        base_url=hub.url,
        color_scheme="dark" if scheme == "dark" else "light",
    )
    window.set_default_timeout(PATIENCE_MS)
    page = window.new_page()
    for name, address in pages.items():
        page.goto(address)
        expect(page.locator("[data-testid='stMainBlockContainer'] :is(h1, h3)").first).to_be_visible()
        expect(page.locator("[data-test-script-state='notRunning']")).to_be_visible()
        page.wait_for_timeout(1_000)
        page.wait_for_function(DRAWN)
        page.wait_for_timeout(1_500)  # tables draw themselves after the script has ended
        page.screenshot(path=target / f"{name}.png")
    window.close()


if __name__ == "__main__":
    main()
