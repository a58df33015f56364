"""The same seed makes the same fleet, in every process."""

import os
import subprocess
import sys

import pytest

from tests.tinysphere.simulator.lives import fleet_digest
from tinysphere.simulator.script.faults import FaultKind, draw_fault
from tinysphere.simulator.script.scenario import Link
from tinysphere.simulator.script.scenario_file import shipped_names


@pytest.mark.parametrize("name", shipped_names())
def test_a_seed_makes_one_fleet(name: str) -> None:
    assert fleet_digest(name, seed=7, device_count=3) == fleet_digest(name, seed=7, device_count=3)
    assert fleet_digest(name, seed=7, device_count=3) != fleet_digest(name, seed=8, device_count=3)


def test_another_process_makes_the_same_fleet() -> None:
    command = [sys.executable, "-m", "tests.tinysphere.simulator.lives", "rough", "3"]
    digests = {
        subprocess.run(
            command,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    assert digests == {fleet_digest("rough", seed=3)}


def test_an_attempt_meets_the_same_fault_again_and_others_meet_others() -> None:
    link = Link(cut_share=0.25, stall_share=0.25, refused_share=0.25)
    faults = [draw_fault(link, "device", attempt) for attempt in range(400)]
    assert faults == [draw_fault(link, "device", attempt) for attempt in range(400)]
    kinds = [fault.kind for fault in faults]
    for kind in (FaultKind.CUT, FaultKind.STALL, FaultKind.REFUSED, FaultKind.NONE):
        assert 70 <= kinds.count(kind) <= 130
    low, high = link.cut_after_bytes
    assert all(low <= fault.after_bytes <= high for fault in faults if fault.kind is FaultKind.CUT)
