"""Signing in at a real OpenID provider, in a real browser: the verdict carries the name of the identity."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import Need
from tests.e2e.drift_hub_person import PATIENCE_MS, current, review
from tests.support.browser import chromium, running_browser
from tests.support.drift_hub import DriftHub
from tests.support.fleet import STORIES
from tests.support.oidc import running_provider

BERLIN = STORIES[0]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[DriftHub]:
    """Server and Drift Hub, where everybody has to sign in."""
    with running_provider({"sub": "4711", "email": "ada@example.org", "name": "Ada"}) as provider:
        hub = DriftHub(tmp_path, provider=provider.url)
        try:
            hub.start()
            yield hub
        finally:
            hub.stop()


def test_nothing_is_seen_before_and_verdicts_carry_the_name_after(hub: DriftHub, need: Need) -> None:
    program = chromium()
    need("chromium", program is not None, "apt-get install chromium")
    assert program is not None
    fleet = hub.fleet()
    fleet.report((BERLIN,))
    with running_browser(program) as browser:
        window = browser.new_context(base_url=hub.url)
        window.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page = window.new_page()
        page.goto(f"/review?event={BERLIN.drift_event_id}")
        page.get_by_role("button", name="Sign in").wait_for()
        assert BERLIN.device_id not in page.content()
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Fleet")).to_be_visible()

        review(page, BERLIN)
        sample_id = current(page)
        page.keyboard.press("u")
        expect(page.locator(f".st-key-card-{sample_id}")).to_have_count(0)
        assert [(one.sample_id, one.reviewer) for one in fleet.verdicts(BERLIN.drift_event_id)] == [
            (sample_id, "ada@example.org")
        ]
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
