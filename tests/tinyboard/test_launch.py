"""Where the Drift Hub listens and who may see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyboard import launch
from tinyboard.launch import LaunchError

AUTH = """
[auth]
redirect_uri = "https://hub.example.org/oauth2callback"
cookie_secret = "0123456789abcdef"
client_id = "drift-hub"
client_secret = "s3cret"
server_metadata_url = "https://id.example.org/.well-known/openid-configuration"
"""


def planned(*arguments: str, environment: dict[str, str] | None = None) -> launch.Launch:
    return launch.plan(launch.parsed(arguments), environment or {})


def written(folder: Path, text: str) -> str:
    path = folder / "secrets.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_one_person_on_this_machine_needs_no_sign_in() -> None:
    found = planned()
    assert found.options["server.address"] == "127.0.0.1"
    assert found.environment == {launch.SIGN_IN: ""}
    assert "--server.port=8501" in found.flags
    assert "--browser.gatherUsageStats=false" in found.flags


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.4", "hub.example.org", ""])
def test_nobody_else_is_let_in_without_sign_in(address: str) -> None:
    with pytest.raises(LaunchError, match="beyond this machine"):
        planned("--address", address)
    assert planned("--address", address, "--without-sign-in").options["server.address"] == address


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_sign_in_opens_other_addresses(tmp_path: Path, by: str) -> None:
    secrets = written(tmp_path, AUTH)
    arguments = ["--secrets", secrets] if by == "argument" else []
    environment = {launch.SECRETS: secrets} if by == "environment" else {}
    found = planned("--address", "0.0.0.0", *arguments, environment=environment)
    assert found.options["secrets.files"] == secrets
    assert found.environment[launch.SIGN_IN] == "required"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "lacks redirect_uri"),
        (AUTH.replace("client_id", "client"), "lacks client_id"),
        (AUTH.replace("0123456789abcdef", "short"), "fewer than 16"),
        ("[auth", "cannot be read"),
        ("auth = 1", "lacks redirect_uri"),
    ],
)
def test_a_sign_in_that_would_not_work_is_refused_before_anything_listens(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(LaunchError, match=says):
        planned("--secrets", written(tmp_path, text))


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(LaunchError, match="cannot be read"):
        planned("--secrets", "/nowhere/secrets.toml")


def test_services_are_found_where_the_command_line_says() -> None:
    found = planned("--drift-target", "10.0.0.1:1")
    assert found.environment["TINYBOARD_DRIFT_TARGET"] == "10.0.0.1:1"
    assert "TINYBOARD_INGESTION_TARGET" not in found.environment
