"""What a person does at the Drift Hub: open a review, read the card, press keys."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.support.fleet import Story

CARD = "[class*='st-key-card-']"
PATIENCE_MS = 60_000
NEXT_FRAME = "() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
"""React binds keys after it painted the buttons."""


def review(page: Page, story: Story) -> None:
    """Opens the review of what a device met, and waits for the first sample."""
    page.goto(f"/review?event={story.drift_event_id}")
    expect(page.locator(CARD)).to_be_visible()
    expect(page.get_by_role("button", name="Resolve event")).to_be_visible()


def current(page: Page) -> str:
    """Id of the sample on screen, once the page is drawn and its keys are bound."""
    expect(page.locator("[data-test-script-state='notRunning']")).to_be_visible()
    found = re.search(r"st-key-card-(\S+)", page.locator(CARD).get_attribute("class") or "")
    assert found
    expect(page.locator(f".st-key-UNUSABLE-{found[1]} kbd")).to_be_visible()
    page.evaluate(NEXT_FRAME)
    return found[1]


def key_of(page: Page, sample_id: str, label: str) -> str | None:
    """The number key that means a label, if a button shows it."""
    shown = page.locator(f".st-key-label-{label}-{sample_id} kbd")
    return shown.inner_text().strip() if shown.count() else None


def judge(page: Page, label: str) -> str:
    """Gives a label by keyboard alone and waits for the next sample; returns the id of the one judged."""
    sample_id = current(page)
    key = key_of(page, sample_id, label)
    if key is not None:
        page.keyboard.press(key)
    else:
        page.keyboard.press("n")
        expect(page.locator(f".st-key-new-{sample_id} input")).to_be_focused()
        page.keyboard.type(label)
        page.keyboard.press("Enter")
    expect(page.locator(f".st-key-card-{sample_id}")).to_have_count(0)
    return sample_id
