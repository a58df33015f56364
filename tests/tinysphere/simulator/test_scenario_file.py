"""Scenarios are read as they are meant, and mistakes are named."""

from pathlib import Path

import pytest

from demo.fleet import SCENARIO
from tinysphere.errors import InvalidFieldError
from tinysphere.simulator.script.scenario import Scenario
from tinysphere.simulator.script.scenario_file import (
    MAX_FILE_BYTES,
    load_scenario,
    parse_scenario,
    shipped_names,
)


def test_shipped_scenarios_are_read() -> None:
    assert {"offline", "rollout", "rough", "steady", "thin"} <= set(shipped_names())
    for name in shipped_names():
        assert load_scenario(name) != Scenario()


def test_the_fleet_of_the_demonstration_lives_in_peace() -> None:
    scenario = load_scenario(str(SCENARIO))
    assert scenario.drift.device_share == scenario.review.judged_share == 0
    assert scenario.link.cut_share > 0


def test_fields_left_out_have_their_defaults(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("[link]\ncut_share = 1\ncut_after_bytes = [1, 2]\n[updates]\ndownload = false\n")
    scenario = load_scenario(str(path))
    assert (scenario.link.cut_share, scenario.link.cut_after_bytes) == (1.0, (1.0, 2.0))
    assert not scenario.updates.download
    assert scenario.traffic == Scenario().traffic
    assert parse_scenario("") == Scenario()


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("[link]\ncut_share = 1.5", "link.cut_share", "from 0 to 1"),
        ("[link]\ncut_share = -0.1", "link.cut_share", "from 0 to 1"),
        ("[link]\ncut_share = nan", "link.cut_share", "finite"),
        ("[link]\ncut_share = true", "link.cut_share", "finite"),
        ("[link]\ncut_share = '0.5'", "link.cut_share", "finite"),
        ("[link]\ncut_share = [0, 1]", "link.cut_share", "finite"),
        ("[link]\ncut_after_bytes = 5", "link.cut_after_bytes", "two numbers"),
        ("[link]\ncut_after_bytes = [5]", "link.cut_after_bytes", "two numbers"),
        ("[link]\ncut_after_bytes = [5, 1]", "link.cut_after_bytes", "lower one first"),
        ("[link]\ncut_after_bytes = [0, inf]", "link.cut_after_bytes[1]", "finite"),
        ("[link]\nrate_bytes_per_s = 0.5", "link.rate_bytes_per_s", "whole"),
        ("[traffic]\npackage_every_s = [0, 1]", "traffic.package_every_s[0]", "0.01"),
        ("[traffic]\nmetric_count = 100_000", "traffic.metric_count", "10000"),
        ("[traffic]\nstate_bytes = [0, 1e12]", "traffic.state_bytes[1]", "to 6.71089e+07"),
        ("[power]\ncheckpoint_every_s = 0", "power.checkpoint_every_s", "0.01"),
        ("[updates]\ndownload = 1", "updates.download", "true or false"),
        ("[updates]\nspeed = 1", "updates.speed", "download"),
        ("[weather]\nrain = 1", "weather", "traffic"),
        ("link = 3", "link", "a table"),
        ("[link", "scenario", "TOML"),
        ("a = " + "[" * 5000, "scenario", "TOML"),
    ],
)
def test_hostile_scenarios_are_refused_by_the_name_of_the_field(text: str, field: str, expected: str) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        parse_scenario(text)
    assert refused.value.field == field
    assert expected in refused.value.description
    assert len(str(refused.value)) < 300


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    binary, endless = tmp_path / "binary.toml", tmp_path / "endless.toml"
    binary.write_bytes(b"\xff\xfe")
    endless.write_text("#" * (MAX_FILE_BYTES + 1))
    for path, expected in ((binary, "UTF-8"), (endless, str(MAX_FILE_BYTES)), (tmp_path / "absent", "rough")):
        with pytest.raises(InvalidFieldError, match=expected) as refused:
            load_scenario(str(path))
        assert refused.value.field == "scenario"
