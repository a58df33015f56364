"""Models and rollouts in words."""

import pytest

from tests.tinyboard.builders import NOW, rollout, version
from tinyboard.views import rollouts
from tinyboard.views.model_records import WaveView


def test_every_metric_of_any_version_has_a_column() -> None:
    first, second = rollouts.version_rows((version(2, metrics=(("f1", 0.5),)), version(1)))
    assert (first["f1"], first["holdout_accuracy"]) == (0.5, None)
    assert second["holdout_accuracy"] == 0.91
    assert (first["Version"], first["Aliases"]) == (2, "candidate")


def test_a_rollout_says_whom_it_is_for_and_how_far_it_is() -> None:
    assert "site\\=berlin" in rollouts.line(rollout(), NOW)
    assert "all devices" in rollouts.line(rollout(target_labels=()), NOW)
    assert ":green-badge[Committed 2]" in rollouts.counts(rollout())
    assert rollouts.share_done(rollout()) == pytest.approx(2 / 3)
    assert rollouts.share_done(rollout(counts=())) == 0.0


def test_what_can_no_longer_be_done_is_not_offered() -> None:
    assert rollouts.actions(rollout()) == ("pause", "retry", "abort")
    assert rollouts.actions(rollout(state="SUCCEEDED")) == ()


def test_the_next_wave_is_approved_or_the_start() -> None:
    waves = (WaveView(name="lab"), WaveView(name="all", approval_required=True))
    assert rollouts.next_approval(rollout(waves=waves)) == 1
    assert rollouts.next_approval(rollout(waves=waves, wave_index=1)) is None
    assert rollouts.next_approval(rollout(state="DRAFT", waves=waves)) is None
    assert rollouts.next_approval(rollout(state="DRAFT", approval_required=True)) == 0
    assert "approve" not in rollouts.actions(rollout(state="SUCCEEDED", waves=waves))


@pytest.mark.parametrize("text", ["0", "101", "5, 5", "nan", "some"])
def test_percentages_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected growing percentages"):
        rollouts.percents_of(text)
    assert rollouts.percents_of("") == ()


@pytest.mark.parametrize("text", ["berlin", "=berlin", "site=", "site=berlin, 4"])
def test_labels_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected label=value"):
        rollouts.labels_of(text)
    assert rollouts.labels_of(" ") == {}
