"""Bytes are counted when the server speaks of them, and what broke on the way is counted once."""

from tinylcm.sync.tally import PackageTally, TransferTally


def counts(total: TransferTally) -> tuple[int, int, int]:
    return total.sent_bytes, total.acknowledged_bytes, total.resent_bytes


def test_what_was_only_handed_over_counts_nothing_yet() -> None:
    total = TransferTally()
    package = PackageTally(total)
    package.begin_at(0)
    package.hand(8_000_000)
    assert counts(total) == (0, 0, 0)
    assert package.acknowledge(1_000_000)
    assert not package.acknowledge(1_000_000)
    assert counts(total) == (1_000_000, 1_000_000, 0)


def test_a_break_tells_what_was_in_vain() -> None:
    total = TransferTally()
    package = PackageTally(total)
    package.begin_at(0)
    package.hand(500)
    package.acknowledge(200)
    package.begin_at(300)
    assert counts(total) == (500, 300, 200)
    package.hand(1000)
    package.acknowledge(1000)
    package.begin_at(1000)
    assert counts(total) == (1200, 1000, 200)


def test_beginning_anew_counts_every_byte_again_as_resent() -> None:
    total = TransferTally()
    package = PackageTally(total)
    package.begin_at(0)
    package.hand(100)
    package.acknowledge(100)
    package.begin_at(0)
    package.hand(100)
    package.acknowledge(100)
    assert counts(total) == (200, 100, 100)
