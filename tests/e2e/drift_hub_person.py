"""What a person does at the Drift Hub: open a review, read the card, press keys."""

from __future__ import annotations

import re

from playwright.sync_api import Page, TimeoutError, expect

from tests.support.fleet import Story

CARD = "[class*='st-key-card-']"
PATIENCE_MS = 60_000
PRESS_AGAIN_MS = 15_000
PRESSES = 3
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
    """Gives a label by keyboard alone and waits for the next sample; returns the id of the one judged.

    A key that falls into the moment in which Streamlit draws a page anew is lost now and then on a crowded machine; a
    person presses it again, which is harmless: the same sample is judged once.
    """
    sample_id = current(page)
    for _ in range(PRESSES):
        _press(page, sample_id, label)
        if _is_gone(page, sample_id):
            return sample_id
    raise AssertionError(f"{sample_id} is still on screen after {PRESSES} presses")


def _press(page: Page, sample_id: str, label: str) -> None:
    key = key_of(page, sample_id, label)
    if key is not None:
        page.keyboard.press(key)
        return
    page.keyboard.press("n")
    expect(page.locator(f".st-key-new-{sample_id} input")).to_be_focused()
    page.keyboard.type(label)
    page.keyboard.press("Enter")


def _is_gone(page: Page, sample_id: str) -> bool:
    try:
        page.locator(f".st-key-card-{sample_id}").wait_for(state="detached", timeout=PRESS_AGAIN_MS)
    except TimeoutError:
        return False
    return True
