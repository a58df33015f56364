"""The runbook of docs/rollouts.md, as an operator pastes it, against a real service."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Need
from tests.tinysphere.distribution.builders import device_bundle
from tests.tinysphere.distribution.called import Called

ROOT = Path(__file__).resolve().parents[3]
ADDRESS = "127.0.0.1:7103"


@pytest.fixture
def commands(need: Need, called: Called, tmp_path: Path) -> str:
    """The block of bash, with nothing but the address replaced."""
    need("grpcurl", (ROOT / ".venv" / "bin" / "grpcurl").is_file(), "make setup")
    called.register("camera-1", site="lab")
    called.publish(device_bundle(tmp_path))
    (block,) = re.findall(r"^```bash\n(.*?)^```$", (ROOT / "docs/rollouts.md").read_text(), re.M | re.S)
    assert ADDRESS in block
    return block.replace(ADDRESS, called.settings.distribution_address)


def test_the_runbook_works_as_it_stands(commands: str) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    actions = re.findall(r'"action": "ROLLOUT_ACTION_(\w+)"', done.stdout)
    assert actions == ["CREATE", "APPROVE", "START"]
    states = re.findall(r'"state": "ROLLOUT_STATE_(\w+)"', done.stdout)
    assert states == ["DRAFT", "DRAFT", "RUNNING", "RUNNING", "PAUSED", "PAUSED", "RUNNING", "ABORTED"]
