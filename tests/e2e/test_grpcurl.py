"""The README's commands, as a reader pastes them, against a real server."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from demo.server import SERVICES, TIMEOUT_S, Server
from tests.conftest import Need
from tests.support.fleet import STORIES, Fleet
from tests.support.waiting import eventually
from tinymlops.v1 import device_pb2, device_service_pb2, drift_pb2, feedback_pb2

ROOT = Path(__file__).resolve().parents[2]
FIRST_PORT = 7101
STORY = STORIES[0]
PATIENCE_S = 120


@pytest.fixture
def commands(need: Need, server: Server) -> str:
    """The block of bash in README.md's section, with nothing but the ports replaced."""
    need("grpcurl", (ROOT / ".venv" / "bin" / "grpcurl").is_file(), "make setup")
    section = (ROOT / "README.md").read_text().split("\n## From the command line\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"^```bash\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    for number, service in enumerate(SERVICES):
        documented, real = str(FIRST_PORT + number), server.addresses[service].rpartition(":")[2]
        assert documented in block
        block = block.replace(documented, real)
    return block


@pytest.fixture
def fleet(server: Server) -> Fleet:
    """One device of the field, with the drift it met, in a mode that learns nothing; real images and neighbours."""
    fleet = Fleet(server.addresses["ingestion"], server.addresses["drift"])
    fleet.report((STORY,))
    device = device_pb2.Device(device_id=STORY.device_id, mode=device_pb2.MODE_MONITORING_ONLY)
    other_mode = device_service_pb2.UpdateDeviceRequest(device=device, update_mask=FieldMask(paths=["mode"]))
    server.devices.UpdateDevice(other_mode, timeout=TIMEOUT_S)
    return fleet


def test_the_readmes_commands_close_the_loop(commands: str, server: Server, fleet: Fleet) -> None:
    reader = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(
            lambda: reader.poll() is not None or server.feedback_of(STORY.device_id), timeout_s=PATIENCE_S
        )
        assert reader.poll() is None, reader.communicate()
        fleet.answer(STORY)
        shown, complaints = reader.communicate(timeout=PATIENCE_S)
    finally:
        reader.kill()
        reader.wait()
    assert (reader.returncode, complaints) == (0, "")
    assert_shown(shown, server)
    assert_arrived(server, fleet)


def assert_shown(shown: str, server: Server) -> None:
    """The reader sees services, the description, device, event, sample, verdict and effect."""
    (item,) = server.feedback_of(STORY.device_id)
    for expected in (
        "tinymlops.v1.IngestionService\n",
        "tinymlops.v1.FeedbackService\n",
        "tinymlops.v1.RolloutService\n",
        "rpc SubmitVerdicts ( .tinymlops.v1.SubmitVerdictsRequest )",
        f'"deviceId": "{STORY.device_id}"',
        f'"driftEventId": "{STORY.drift_event_id}"',
        f'"sampleId": "{item.sample_id}"',
        '"judgedLabel": "bag"',
        f'"feedbackId": "{item.feedback_id}"',
        '"outcome": "FEEDBACK_OUTCOME_APPLIED"',
        f'"adaptationId": "{item.effect.adaptation_id}"',
    ):
        assert expected in shown


def assert_arrived(server: Server, fleet: Fleet) -> None:
    """The server holds the mode and one verdict, and the device learnt from it."""
    assert server.device(STORY.device_id).mode == device_pb2.MODE_VALIDATED_LEARNING
    (verdict,) = fleet.verdicts(STORY.drift_event_id)
    assert (verdict.reviewer, verdict.label) == ("you", "bag")
    assert verdict.decision == drift_pb2.DECISION_NEW_LABEL
    (item,) = server.feedback_of(STORY.device_id)
    assert item.sample_id == verdict.sample_id
    assert item.outcome == feedback_pb2.FEEDBACK_OUTCOME_APPLIED
    assert item.effect.judged_accuracy_after >= item.effect.judged_accuracy_before
