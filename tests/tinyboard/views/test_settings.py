"""Labels, rules and deliveries in words."""

from datetime import timedelta

from tests.tinyboard.builders import NOW, label, rule
from tinyboard.views import settings
from tinyboard.views.notification_records import QuietView

LABELS = (label("bag", sample_count=3), label("tote", sample_count=2, aliases=("shopper",)))


def test_a_new_name_renames() -> None:
    told = settings.preview("bag", " hand  bag ", LABELS)
    assert "3 samples judged **bag** become **hand bag**" in told
    assert "merge" not in told


def test_a_name_that_exists_merges_however_it_is_spelled() -> None:
    for spelled in ("tote", " TOTE ", "Shopper"):
        assert "**tote**, which has 2 itself: a merge" in settings.preview("bag", spelled, LABELS)


def test_nothing_to_do_says_nothing() -> None:
    assert settings.preview("bag", " ", LABELS) == ""
    assert settings.preview("bag", "bag", LABELS) == ""
    assert settings.preview("gone", "tote", LABELS) == ""


def test_another_spelling_of_the_same_label_is_no_merge() -> None:
    assert "merge" not in settings.preview("bag", "Bag", LABELS)


def test_a_label_without_samples_concerns_no_device() -> None:
    assert "No device" in settings.preview("new", "newer", (label("new", sample_count=0),))


def test_a_rule_is_told_with_its_limits_and_without_markdown_of_others() -> None:
    quiet = QuietView(start_minute=1_320, end_minute=420, time_zone="Europe/Berlin")
    told = settings.rule_details(rule(quiet=quiet, types=("CONFIDENCE",)))
    assert "from High · confidence" in told.replace("\\", "")
    assert "quiet 22:00 to 07:00 Europe/Berlin" in told.replace("\\", "")
    assert ":gray-badge[Off]" in settings.rule_line(rule(enabled=False, name="*x*"))
    assert "\\*x\\*" in settings.rule_line(rule(name="*x*"))


def test_who_changed_it_last() -> None:
    assert settings.changed("ada", NOW, NOW + timedelta(hours=2)) == "Last changed by ada 2 h ago."
    assert settings.changed("server", None, NOW) == "As the server started."
