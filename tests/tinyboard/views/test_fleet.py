"""What the Fleet page counts and shows."""

from tests.tinyboard.builders import device, event
from tinyboard.views import fleet

DEVICES = (
    device("camera-1", display_name="Berlin, gate 1", labels=(("site", "berlin"),)),
    device("camera-2", connectivity="OFFLINE"),
    device("camera-3", drifting=True, adaptation_count=2, prediction_count=50),
)


def ids(*, text: str = "", kind: str = "All") -> list[str]:
    return [one.device_id for one in fleet.chosen(DEVICES, text=text, kind=kind)]


def test_counts_cover_the_whole_fleet() -> None:
    counts = fleet.counts(DEVICES, [event(sample_count=9, judged_sample_count=4), event("event-2")])
    assert (counts.online, counts.drifting, counts.open_events) == (2, 1, 2)
    assert (counts.waiting_samples, counts.predictions, counts.adaptations) == (5, 250, 2)


def test_drifting_devices_come_first() -> None:
    assert ids() == ["camera-3", "camera-1", "camera-2"]


def test_kinds_narrow() -> None:
    assert ids(kind="Drifting") == ["camera-3"]
    assert ids(kind="Online") == ["camera-3", "camera-1"]
    assert ids(kind="Silent") == ["camera-2"]


def test_text_finds_names_ids_labels_and_models() -> None:
    assert ids(text=" BERLIN, ") == ["camera-1"]
    assert ids(text="site=berlin") == ["camera-1"]
    assert ids(text="camera-2") == ["camera-2"]
    assert len(ids(text="fashion v3")) == 3
    assert ids(text="elsewhere") == []
