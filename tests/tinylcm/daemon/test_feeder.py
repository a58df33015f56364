"""A recording waits for the pipeline; a live source waits for nobody, and what it loses is counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tinylcm.builders import START, HandClock, labelled_images
from tests.tinylcm.daemon.conftest import DeviceFolder
from tests.tinylcm.daemon.test_inbox import frame
from tinylcm.adapters.sources.tally import SourceTally
from tinylcm.daemon.feeder import Feeder
from tinylcm.daemon.inbox import Inbox
from tinylcm.daemon.inputs import check_source
from tinylcm.daemon.vitals import Vitals
from tinylcm.ports import OutboxTotals
from tinylcm.records import Frame


class FastSource:
    """A hundred frames without a pause."""

    is_live = True
    frames_per_second = None

    def check(self) -> str:
        return "always there"

    def frames(self, first_index: int) -> Iterator[Frame]:
        for index in range(first_index, first_index + 100):
            yield frame(index)


def test_the_newest_frames_of_a_live_source_win() -> None:
    inbox, tally = Inbox(), SourceTally()
    Feeder(FastSource(), inbox, tally=tally, clock=HandClock(), wait=lambda _: True).run(40)

    waiting = []
    while not inbox.is_empty:
        waiting.append(inbox.take(timeout_s=0.0, with_frames=True))
    assert [item.source_index for item in waiting if isinstance(item, Frame)] == list(range(132, 140))
    assert tally.dropped_frames == 92


def test_the_minutes_metrics_tell_of_losses() -> None:
    vitals = Vitals()
    vitals.source.dropped_frames = 92
    vitals.source.malformed_inputs = 3
    totals = OutboxTotals(package_count=0, size_bytes=0, message_count=0, evicted_count=0)

    metrics = {metric.name: metric.value for metric in vitals.close_minute(START, totals)}
    assert metrics["dropped_frame_count"] == 92
    assert metrics["malformed_input_count"] == 3
    assert metrics["missed_frame_count"] == metrics["source_outage_count"] == 0


def test_a_source_is_tried_without_a_device(home: DeviceFolder) -> None:
    home.record("1", labelled_images(5)[0])
    assert check_source(home.settings().source, HandClock()).endswith("1 recordings")

    home.tables["source"] = {"kind": "serial", "path": "ttyUSB9"}
    with pytest.raises(FileNotFoundError):
        check_source(home.settings().source, HandClock())
    home.tables["source"] = {"kind": "socket", "path": "sensor.sock"}
    assert check_source(home.settings().source, HandClock()).endswith("can be listened on")
