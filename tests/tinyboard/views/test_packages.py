"""Packages in words."""

from datetime import timedelta

from google.protobuf.descriptor import EnumDescriptor

from tests.tinyboard.builders import NOW, package, step
from tinyboard.views import colours, packages
from tinymlops.v1 import package_pb2


def test_a_line_says_what_came_from_where_and_when() -> None:
    line = packages.line(package("0a", state="FAILED"), NOW + timedelta(minutes=2))
    assert line == r":red-badge[Failed] **camera\-1** :gray[· 20 KiB · 2 min ago · 0a]"


def test_steps_are_badges_with_what_they_took_over() -> None:
    told = packages.steps(
        package(steps=(step("LOGS", record_count=1_200), step(state="PENDING", record_count=0)))
    )
    assert told == ":green-badge[Logs 1,200] :gray-badge[Samples]"
    assert packages.steps(package(steps=())) == ""


def test_every_cause_of_a_failure_is_told() -> None:
    failed = package(
        error_reason="ARCHIVE_CORRUPT",
        error="ends early",
        steps=(step(), step("LOGS", state="FAILED", error="bad line 3", attempt_count=2)),
    )
    assert packages.problems(failed) == ["ARCHIVE_CORRUPT: ends early", "Logs, 2 times: bad line 3"]
    assert packages.problems(package()) == []


def test_every_state_of_the_contract_has_its_colour() -> None:
    def names(prefix: str, enum: EnumDescriptor) -> set[str]:
        return {name.removeprefix(prefix) for name in enum.values_by_name} - {"UNSPECIFIED"}

    assert set(colours.PACKAGE_STATE_COLOURS) == names("PACKAGE_STATE_", package_pb2.PackageState.DESCRIPTOR)
    assert set(colours.STEP_STATE_COLOURS) == names("STEP_STATE_", package_pb2.StepState.DESCRIPTOR)
    assert set(packages.STATES.values()) <= {"", *colours.PACKAGE_STATE_COLOURS}
