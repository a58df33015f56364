"""The Packages page, run by Streamlit's own test runner against a fake hub."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.fakes.hub import FakeHub
from tests.tinyboard import pages
from tests.tinyboard.builders import package, step
from tests.tinyboard.pages import run, text
from tinyboard.client.calls import HubError


def script() -> None:
    from tinyboard.screens import packages

    packages.show()


def opened(hub: FakeHub, **parameters: str) -> AppTest:
    return pages.opened(script, hub, **parameters)


@pytest.fixture
def hub() -> FakeHub:
    hub = FakeHub()
    broken = step("LOGS", state="FAILED", error="line 3 is no *record*", record_count=0)
    hub.add(
        packages=[
            package("package-1"),
            package("package-2", device_id="camera-2", state="FAILED", steps=(step(), broken)),
        ]
    )
    return hub


def test_every_package_shows_its_steps_and_why_it_failed(hub: FakeHub) -> None:
    shown = text(opened(hub))
    assert ":green-badge[Processed]" in shown
    assert ":red-badge[Failed]" in shown
    assert ":green-badge[Samples 3] :red-badge[Logs]" in shown
    assert r"line 3 is no \*record\*" in shown, "what a device wrote is text, not Markdown"


def test_filters_come_from_the_address(hub: FakeHub) -> None:
    assert "camera\\-2" not in text(opened(hub, **{"packages-device": "camera-1"}))
    assert "camera\\-1" not in text(opened(hub, **{"packages-state": "Failed"}))


def test_a_failed_package_is_tried_again(hub: FakeHub) -> None:
    page = opened(hub)
    assert [str(one.key) for one in page.button] == ["retry-package-2"], "what went well needs no other try"
    page.button(key="retry-package-2").click()
    assert ":gray-badge[Logs]" in text(run(page))
    assert [one.state for one in hub.packages(device_id="camera-2")] == ["COMMITTED"]


def test_a_refused_retry_says_why(hub: FakeHub) -> None:
    hub.refused = HubError("PACKAGE_NOT_FAILED", "somebody was faster")
    page = opened(hub)
    page.button(key="retry-package-2").click()
    assert [one.value for one in run(page).warning] == ["somebody was faster"]
    assert not run(page).warning, "it is said once"


def test_long_lists_come_in_pages(hub: FakeHub) -> None:
    hub.add(packages=[package(f"more-{number}") for number in range(40)])
    shown = text(opened(hub))
    assert "more\\-39" in shown
    assert "more\\-19" not in shown


def test_without_packages_it_says_what_will_come() -> None:
    assert "No package has arrived yet" in opened(FakeHub()).info[0].value


def test_filters_without_a_hit_say_what_to_do(hub: FakeHub) -> None:
    assert "No package matches" in opened(hub, **{"packages-device": "nobody"}).info[0].value


def test_a_server_that_is_gone_is_told(hub: FakeHub) -> None:
    hub.gone = True
    assert "tinysphere serve all" in opened(hub).error[0].value
