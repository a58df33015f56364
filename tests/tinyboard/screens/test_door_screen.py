"""The door: nothing is seen by whoever has to sign in and did not."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import tinyboard
from tests.fakes.hub import FakeHub
from tests.tinyboard.builders import device
from tests.tinyboard.pages import run
from tinyboard.screens import door
from tinyboard.views import identity

APP = Path(tinyboard.__file__).with_name("app.py")


def opened() -> AppTest:
    hub = FakeHub()
    hub.add(devices=[device("camera-1")])
    page = AppTest.from_file(str(APP), default_timeout=60)
    page.session_state["hub"] = hub
    return run(page)


def test_only_the_door_is_shown_before_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(door.SIGN_IN, "required")
    page = opened()
    assert [one.label for one in page.button] == ["Sign in"]
    assert not page.metric


def test_nobody_signs_in_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(door.SIGN_IN, raising=False)
    assert opened().metric


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"is_logged_in": True, "email": "ada@example.org", "name": "Ada"}, "ada@example.org"),
        ({"is_logged_in": True, "sub": "4711", "name": "Ada"}, "4711"),
        ({"is_logged_in": True, "preferred_username": "a" * 300}, "a" * 128),
        ({"email": "ada@example.org"}, ""),
        ({}, ""),
    ],
)
def test_the_name_is_one_that_names_one_person(claims: dict[str, object], name: str) -> None:
    assert identity.name_of(claims) == name
