"""`compose.yaml` says nothing that the server, or Compose, would not understand. It is not run here."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from tests.conftest import Need
from tinysphere.__main__ import app
from tinysphere.settings import Settings

ROOT = Path(__file__).parents[2]
PREFIX = "TINYSPHERE_"
SECRETS = dict(
    line.split("=", 1)
    for line in (ROOT / "deploy" / "example.env").read_text().splitlines()
    if line and not line.startswith("#")
)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    text = (ROOT / "compose.yaml").read_text()
    for name, value in SECRETS.items():
        text = text.replace(f"${{{name}:?see deploy/example.env}}", value)
    assert "${" not in text, "every variable has an example"
    return yaml.safe_load(text)  # type: ignore[no-any-return]  # the file is ours


def servers(compose: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, service in compose["services"].items():
        if service.get("image") == "tinymlops:latest":
            yield name, service


def test_every_process_of_the_server_is_there(compose: dict[str, Any]) -> None:
    names = {name for name, _ in servers(compose)}
    assert names == {"migrate", "ingestion", "drift", "distribution", "worker"}


def test_settings_are_settings(compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, service in servers(compose):
        with monkeypatch.context() as patched:
            for variable, value in service["environment"].items():
                assert variable.startswith(PREFIX), name
                assert variable.removeprefix(PREFIX).lower() in Settings.model_fields, variable
                patched.setenv(variable, value)
            settings = Settings()
        assert settings.worker_engine == "procrastinate"
        assert settings.database_url.startswith("postgresql://")


def test_commands_are_commands(compose: dict[str, Any]) -> None:
    group = typer.main.get_command(app)
    for name, service in servers(compose):
        asked = [service["command"]]
        if "healthcheck" in service:
            asked.append(service["healthcheck"]["test"][2:])
        for first, *rest in asked:
            command = group.commands[first]  # type: ignore[attr-defined]  # the app is a group
            assert command.make_context(first, [str(word) for word in rest]) is not None, name


def test_names_meet(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= set(services), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            found = (ROOT / source).exists() if source.startswith("./") else source in compose["volumes"]
            assert found, f"{name}: {volume}"
        if "build" in service:
            stages = (ROOT / service["build"]["dockerfile"]).read_text()
            assert f" AS {service['build']['target']}\n" in stages


def test_compose_takes_it(need: Need) -> None:
    program = shutil.which("docker-compose")
    need("docker-compose", program is not None, "apt-get install docker-compose")
    assert program is not None
    result = subprocess.run(
        [program, "--file", str(ROOT / "compose.yaml"), "config", "--quiet"],
        env=os.environ | SECRETS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
