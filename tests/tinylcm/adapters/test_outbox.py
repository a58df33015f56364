"""The outbox keeps what it was given, in the stated order, within the stated bounds, through crashes."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from tests.tinylcm.builders import HandClock, package
from tinylcm.adapters.outbox import MAX_MESSAGES, SqliteOutbox
from tinylcm.errors import StateError
from tinylcm.ports import MessageKind, NewMessage, Priority

Open = Callable[..., SqliteOutbox]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def open_outbox(tmp_path: Path, clock: HandClock) -> Iterator[Open]:
    """Opens the same folder again and again, as restarts do."""
    opened: list[SqliteOutbox] = []

    def start(*, max_bytes: int = 1000, max_age_s: float = 3600.0) -> SqliteOutbox:
        if opened:
            opened.pop().close()
        opened.append(SqliteOutbox(tmp_path, max_bytes=max_bytes, max_age_s=max_age_s, clock=clock))
        return opened[-1]

    yield start
    for outbox in opened:
        outbox.close()


def waiting(outbox: SqliteOutbox) -> list[int]:
    """Numbers of the packages that may be sent, in their order."""
    numbers: list[int] = []
    skipping: list[str] = []
    while (found := outbox.next_package(skipping=skipping)) is not None:
        skipping.append(found.package_id)
        numbers.append(int(found.package_id[-12:]))
    return numbers


def event(content: bytes) -> NewMessage:
    return NewMessage(kind=MessageKind.DRIFT_EVENT, content=content)


def test_a_package_stays_until_its_receipt(open_outbox: Open) -> None:
    new = package(1, content=b"evidence")
    open_outbox().put([new])

    outbox = open_outbox()
    found = outbox.next_package()
    assert found == new.package
    assert outbox.content_path(found.package_id).read_bytes() == b"evidence"

    outbox.remove_package(found.package_id)
    assert open_outbox().next_package() is None
    assert not outbox.content_path(found.package_id).exists()


def test_urgent_packages_go_first_and_old_ones_before_new(open_outbox: Open) -> None:
    outbox = open_outbox()
    priorities = [Priority.LOGS, Priority.METRICS, Priority.SAMPLES, Priority.DRIFT, Priority.SAMPLES]
    for number, priority in enumerate(priorities):
        outbox.put([package(number, priority=priority)])

    assert waiting(outbox) == [3, 2, 4, 1, 0]


def test_a_package_that_never_arrives_does_not_hold_up_the_rest(open_outbox: Open) -> None:
    outbox = open_outbox()
    outbox.put([package(1), package(2)])
    for _ in range(8):
        outbox.note_attempt(package(1).package.package_id)

    assert waiting(outbox) == [2, 1]


def test_what_is_set_aside_is_kept_but_not_offered(open_outbox: Open) -> None:
    outbox = open_outbox()
    outbox.put([package(1)])
    outbox.set_aside(package(1).package.package_id, "PACKAGE_TOO_LARGE")

    assert waiting(open_outbox()) == []
    assert outbox.content_path(package(1).package.package_id).exists()


def test_staged_evidence_waits_for_its_snapshot(open_outbox: Open) -> None:
    outbox = open_outbox()
    outbox.put([package(1)], [event(b"1")], checkpoint=1)
    outbox.put([package(2)], [event(b"2")], checkpoint=2)
    assert waiting(outbox) == []
    assert outbox.messages(MessageKind.DRIFT_EVENT, 10) == []

    outbox.release(1)
    assert waiting(outbox) == [1]
    assert [message.content for message in outbox.messages(MessageKind.DRIFT_EVENT, 10)] == [b"1"]


def test_recovery_keeps_what_the_snapshot_covers_and_forgets_the_rest(open_outbox: Open) -> None:
    outbox = open_outbox()
    outbox.put([package(1)], [event(b"1")], checkpoint=1)
    outbox.put([package(2)], [event(b"2")], checkpoint=2)
    outbox.put([package(3)])

    outbox = open_outbox()
    outbox.recover(1)
    assert waiting(outbox) == [1, 3]
    assert [message.content for message in outbox.messages(MessageKind.DRIFT_EVENT, 10)] == [b"1"]
    assert not outbox.content_path(package(2).package.package_id).exists()


def test_the_least_urgent_and_oldest_is_given_up_first(open_outbox: Open) -> None:
    outbox = open_outbox(max_bytes=400)
    for number, priority in enumerate([Priority.LOGS, Priority.SAMPLES, Priority.SAMPLES, Priority.DRIFT]):
        outbox.put([package(number, priority=priority, size_bytes=100)])

    outbox.put([package(4, priority=Priority.SAMPLES, size_bytes=100)])
    assert waiting(outbox) == [3, 1, 2, 4]
    outbox.put([package(5, priority=Priority.SAMPLES, size_bytes=100)])
    assert waiting(outbox) == [3, 2, 4, 5]
    outbox.put([package(6, priority=Priority.METRICS, size_bytes=100)])
    assert waiting(outbox) == [3, 2, 4, 5], "a newcomer never pushes out what is more urgent"
    outbox.put([package(7, priority=Priority.DRIFT, size_bytes=400)])
    assert waiting(outbox) == [7]
    assert outbox.totals().evicted_count == 7
    assert {path.name[:36] for path in outbox.content_path("x").parent.iterdir()} == {
        package(7).package.package_id
    }


def test_a_batch_is_bounded_as_a_whole(open_outbox: Open) -> None:
    outbox = open_outbox(max_bytes=250)
    outbox.put([package(number, size_bytes=100) for number in range(3)])

    assert waiting(outbox) == [0, 1]
    assert outbox.totals().size_bytes == 200


def test_age_counts_running_time_whatever_the_wall_clock_does(open_outbox: Open, clock: HandClock) -> None:
    outbox = open_outbox(max_age_s=100)
    outbox.put([package(1)])
    clock.moment = clock.moment.replace(year=2036)
    outbox.sweep()
    assert waiting(outbox) == [1]

    clock.forward(60)
    outbox.sweep()
    clock.seconds = 5.0  # a reboot
    outbox = open_outbox(max_age_s=100)
    outbox.put([package(2)])
    clock.forward(50)
    outbox.sweep()
    assert waiting(outbox) == [2]


def test_messages_leave_one_by_one_and_are_bounded(open_outbox: Open) -> None:
    outbox = open_outbox()
    outbox.put(messages=[event(b"%d" % number) for number in range(MAX_MESSAGES + 5)])
    outbox.put(messages=[NewMessage(kind=MessageKind.ACKNOWLEDGEMENT, content=b"answer")])

    first = outbox.messages(MessageKind.DRIFT_EVENT, 2)
    assert [message.content for message in first] == [b"6", b"7"]
    outbox.remove_messages([message.sequence for message in first])
    assert outbox.messages(MessageKind.DRIFT_EVENT, 1)[0].content == b"8"
    assert [message.content for message in outbox.messages(MessageKind.ACKNOWLEDGEMENT, 9)] == [b"answer"]


def test_values_outlive_a_restart(open_outbox: Open) -> None:
    open_outbox().set_value("registered_mode", "CENTRALIZED")
    outbox = open_outbox()

    assert outbox.value("registered_mode") == "CENTRALIZED"
    assert outbox.value("other") is None


def test_a_file_without_a_row_is_swept(open_outbox: Open) -> None:
    orphan = open_outbox().content_path(package(9).package.package_id)
    orphan.write_bytes(b"written just before the power cut")
    open_outbox().recover(0)

    assert not orphan.exists()


def test_a_package_with_a_used_id_leaves_nothing_behind(open_outbox: Open) -> None:
    outbox = open_outbox()
    outbox.put([package(1)])

    with pytest.raises(sqlite3.IntegrityError):
        outbox.put([package(2), package(1)])
    assert waiting(outbox) == [1]
    assert not outbox.content_path(package(2).package.package_id).exists()


def frame(text: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(text)


def flip(path: Path, found: bytes, changed: bytes) -> None:
    """Changes every place where some bytes stand, as a rotten disk might."""
    content = path.read_bytes()
    assert found in content and len(found) == len(changed)
    path.write_bytes(content.replace(found, changed))


def test_a_damaged_database_is_kept_aside_and_its_packages_are_taken_up(
    open_outbox: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    new = [package(1, content=frame(b"first")), package(2, content=frame(b"second"))]
    open_outbox().put(new)
    open_outbox().close()
    content = bytearray((tmp_path / "outbox.db").read_bytes())
    content[16:4096] = bytes(4080)
    (tmp_path / "outbox.db").write_bytes(content)
    caplog.set_level(logging.CRITICAL)

    outbox = open_outbox()
    assert waiting(outbox) == [1, 2]
    found = outbox.next_package()
    assert found is not None
    assert found.sha256 == new[0].package.sha256
    assert (tmp_path / "outbox.db.damaged").exists()


def test_a_package_that_is_damaged_too_is_not_taken_up(
    open_outbox: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = open_outbox()
    outbox.put([package(1, content=frame(b"first")), package(2, content=frame(b"second"))])
    rotten = outbox.content_path(package(2).package.package_id)
    flip(rotten, b"second", b"secand")
    outbox.close()
    (tmp_path / "outbox.db").write_bytes(b"gone")

    with caplog.at_level(logging.ERROR):
        outbox = open_outbox()
    assert waiting(outbox) == [1]
    assert f"{rotten.name} is damaged" in caplog.text


@pytest.mark.parametrize(
    ("found", "changed"), [(b"first message", b"forst message"), (b"CENTRALIZED", b"CENTRALIZEE")]
)
def test_a_value_that_rotted_is_noticed_and_the_other_rows_are_kept(
    open_outbox: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture, found: bytes, changed: bytes
) -> None:
    outbox = open_outbox()
    outbox.put([package(1)], [event(b"first message"), event(b"second message")], checkpoint=1)
    outbox.set_value("registered_mode", "CENTRALIZED")
    outbox.set_value("deployment", "record")
    outbox.close()
    flip(tmp_path / "outbox.db", found, changed)

    with caplog.at_level(logging.ERROR):
        outbox = open_outbox()
    outbox.release(1)
    assert waiting(outbox) == [1]
    assert outbox.next_package() == package(1).package
    whole = [content for content in (b"first message", b"second message") if content != found]
    assert [message.content for message in outbox.messages(MessageKind.DRIFT_EVENT, 9)] == whole
    assert outbox.value("registered_mode") == (None if found == b"CENTRALIZED" else "CENTRALIZED")
    assert outbox.value("deployment") == "record"
    assert "does not fit its seal" in caplog.text


def test_a_schema_that_rotted_is_noticed_whatever_it_says_now(
    open_outbox: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = open_outbox()
    outbox.put([package(1, content=frame(b"evidence"))])
    outbox.close()
    flip(
        tmp_path / "outbox.db", b"tablemessages", b"tablemess\xe1ges"
    )  # SQLite quotes it, and it is no UTF-8
    with caplog.at_level(logging.ERROR):
        outbox = open_outbox()

    assert "outbox.db is damaged" in caplog.text
    assert waiting(outbox) == [1]


def test_rows_lost_with_the_tail_of_the_log_are_noticed_and_their_packages_taken_up(
    open_outbox: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = open_outbox()
    outbox.put([package(1)])
    outbox.close()
    before = (tmp_path / "outbox.db").read_bytes()
    outbox = open_outbox()
    outbox.put([package(2, content=frame(b"evidence"))], checkpoint=5)
    mark = outbox.mark()
    outbox.close()
    (tmp_path / "outbox.db").write_bytes(before)

    outbox = open_outbox()
    with caplog.at_level(logging.ERROR):
        outbox.recover(5, mark)
    assert waiting(outbox) == [1, 2]
    assert "lost rows that were durable" in caplog.text


def test_a_whole_outbox_is_at_its_mark(open_outbox: Open, caplog: pytest.LogCaptureFixture) -> None:
    outbox = open_outbox()
    outbox.put([package(1)], [event(b"1")], checkpoint=1)
    mark = outbox.mark()
    outbox.release(1)
    outbox.remove_package(package(1).package.package_id)
    with caplog.at_level(logging.ERROR):
        open_outbox().recover(1, mark)

    assert not caplog.messages


def test_a_newer_schema_is_refused_by_its_number(open_outbox: Open, tmp_path: Path) -> None:
    open_outbox().close()
    database = sqlite3.connect(tmp_path / "outbox.db")
    database.execute("PRAGMA user_version = 7")
    database.execute("CREATE TABLE invented_later (name TEXT)")
    database.commit()
    database.close()

    with pytest.raises(StateError, match="schema 7"):
        open_outbox()
