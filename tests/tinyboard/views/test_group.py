"""What a group says of itself and how it is shown."""

from tests.tinyboard.builders import group, sample
from tinyboard.views import group as rules


def test_representatives_come_first_then_the_least_alike() -> None:
    samples = [
        sample("far", group_similarity=0.1),
        sample("near", group_similarity=0.9),
        sample("face", group_similarity=0.95),
        sample("done", group_similarity=0.2, state="JUDGED"),
    ]
    of = group(representative_sample_ids=("face",))
    assert [one.sample_id for one in rules.shown(samples, of, 48)] == ["face", "far", "near"]
    assert [one.sample_id for one in rules.shown(samples, of, 2)] == ["face", "far"]


def test_labels_near_the_group_come_before_the_catalogue() -> None:
    of = group(judged_labels=(("bag", 2),))
    assert rules.label_choices(of, ("zebra", "coat"), 12) == ("bag", "coat", "shirt", "zebra")
    assert rules.label_choices(of, ("zebra",), 2) == ("bag", "coat")


def test_a_label_is_new_when_no_model_knows_it() -> None:
    assert rules.decision_for("coat", {"coat"}) == "CONFIRMED_LABEL"
    assert rules.decision_for("bag", {"coat"}) == "NEW_LABEL"


def test_a_group_is_told_in_words() -> None:
    of = group(sample_count=3, open_sample_count=2, device_count=1)
    assert "2 open" in rules.line(of)
    assert "3 look\\-alikes" in rules.line(of)
    assert "1 device ·" in rules.line(of)
    assert "nearest coat 70 %" in rules.details(of)
    assert "Judged" in rules.line(group())
    empty = group(nearest_labels=(), predicted_labels=())
    assert "Nothing is known" in rules.details(empty)


def test_names_tell_groups_apart() -> None:
    assert rules.names([group("a"), group("b", nearest_labels=())]) == {"a": "1: coat", "b": "2: unknown"}
