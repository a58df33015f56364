"""Pages run by Streamlit's own test runner against a fake hub."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

from tests.fakes.hub import FakeHub


def opened(script: Callable[[], None], hub: FakeHub, *, reviewer: str = "", **parameters: str) -> AppTest:
    """A page as its address asks for it; ``script`` imports and shows it, as its source runs elsewhere."""
    page = AppTest.from_function(script, default_timeout=60)
    page.session_state["hub"] = hub
    if reviewer:
        page.session_state["reviewer"] = reviewer
    for name, value in parameters.items():
        page.query_params[name] = value
    return run(page)


def run(page: AppTest) -> AppTest:
    """Draws the page again."""
    page.run()
    assert not page.exception
    return page


def text(page: AppTest) -> str:
    """Everything the page says in titles, Markdown, HTML and captions."""
    parts: list[Any] = [*page.title, *page.markdown, *page.get("html"), *page.caption]
    return "\n".join(str(getattr(part, "body", "") or part.value) for part in parts)
