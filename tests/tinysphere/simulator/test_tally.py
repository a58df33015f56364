"""Counts add up, and percentiles are as exact as they say."""

import random

from tinysphere.simulator.tally import Latencies, Tally


def test_percentiles_are_within_five_percent() -> None:
    generator = random.Random(1)
    values = sorted(generator.lognormvariate(3, 1) for _ in range(10_000))
    latencies = Latencies()
    for value in values:
        latencies.note(value)
    for share in (0.5, 0.95, 0.99):
        true = values[int(share * len(values)) - 1]
        assert true <= latencies.percentile_ms(share) <= true * 1.051
    assert Latencies().percentile_ms(0.5) == 0.0


def test_tallies_of_processes_add_up_and_cross_as_json() -> None:
    whole = Tally()
    for number in range(3):
        part = Tally()
        part.counts["packages_made"] = number
        part.errors["PutPackage UNAVAILABLE LINK_CUT"] = 1
        part.gauges["streams_open"] = 2
        part.note_latency("Heartbeat", 10.0 * (number + 1))
        whole.add(Tally.from_json(part.to_json()))
    assert whole.counts["packages_made"] == 3
    assert whole.errors["PutPackage UNAVAILABLE LINK_CUT"] == 3
    assert whole.gauges["streams_open"] == 6
    assert whole.latencies["Heartbeat"].count == 3
    assert Tally.from_json(whole.to_json()) == whole
