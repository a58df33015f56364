"""Sends every message twice, in another order, and again a day later: `python -m tests.reliability.transfer_repeats`.

What a server knows afterwards, read through the contract, must be what it knows when each came once and in order. A
message that cannot be taken yet (a sample before its device is known) is sent again, as a device does. The last line is
one JSON object; the status is 1 when an effect differs.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc

from tests.reliability.transfer_effects import Effect, Stubs, read_effect
from tests.reliability.transfer_messages import NotYetError, Sent, story
from tests.reliability.uploads_processes import lasting_address
from tests.support.refusals import read_refusal
from tests.support.waiting import eventually
from tests.tinysphere.ingestion.builders import DEVICE_ID
from tinymlops.v1 import ingestion_service_pb2, package_pb2
from tinysphere.bootstrap import Services
from tinysphere.settings import Settings

DAY = timedelta(days=1)
_MOST_ROUNDS = 50
_ANSWERS = {"UPLOAD_FINISHED", "SAMPLE_JUDGED"}  # refusals that say: this was done before
_NOT_YET = {"DEVICE_NOT_FOUND", "SAMPLE_NOT_FOUND", "FEEDBACK_NOT_FOUND"}


@dataclass(slots=True, kw_only=True)
class RepeatTally:
    """What was counted."""

    messages: int = 0
    orders: int = 0
    sends: int = 0
    put_off: int = 0
    faults: list[str] = field(default_factory=list)


class _Clock:
    """The machine's clock, moved on."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift


def run_repeats(folder: Path, orders: int, seed: int) -> RepeatTally:
    """In order and a day later, then in ``orders`` other orders, each at a server of its own."""
    tally = RepeatTally(orders=orders)
    messages = story(random.Random(seed))
    tally.messages = len(messages)
    with _server(folder / "in-order") as (stubs, clock):
        _deliver(stubs, messages, tally)
        _settle(stubs)
        expected = read_effect(stubs, in_any_order=True)
        tally.faults += [f"the story left no {name}" for name, found in expected.items() if not found]
        for shift in (timedelta(), DAY):
            clock.shift += shift
            before = read_effect(stubs, in_any_order=False)
            again = messages * 2
            random.Random(seed).shuffle(again)
            _deliver(stubs, again, tally)
            _settle(stubs)
            tally.faults += _differences(
                f"again after {shift}", before, read_effect(stubs, in_any_order=False)
            )
    for order in range(orders):
        shuffled = messages * 2
        random.Random(seed + order + 1).shuffle(shuffled)
        with _server(folder / f"order-{order}") as (stubs, _):
            _deliver(stubs, shuffled, tally)
            _settle(stubs)
            tally.faults += _differences(f"order {order}", expected, read_effect(stubs, in_any_order=True))
    return tally


@contextmanager
def _server(data_dir: Path) -> Iterator[tuple[Stubs, _Clock]]:
    clock, (ingestion, drift) = _Clock(), (lasting_address(), lasting_address())
    settings = Settings(
        data_dir=data_dir,
        ingestion_address=ingestion,
        drift_address=drift,
        rpc_threads=16,
        disk_floor_bytes=1,
        upload_commit_bytes=64 << 10,
        stop_grace_s=1,
    )
    services = Services(settings, {"ingestion", "drift"}, clock=clock)
    services.start()
    try:
        with grpc.insecure_channel(ingestion) as first, grpc.insecure_channel(drift) as second:
            yield Stubs(first, second), clock
    finally:
        services.stop()


def _deliver(stubs: Stubs, messages: Sequence[Sent], tally: RepeatTally) -> None:
    waiting = list(messages)
    for _ in range(_MOST_ROUNDS):
        later = [message for message in waiting if not _is_taken(stubs, message, tally)]
        tally.put_off += len(later)
        if not later:
            return
        waiting = later
    tally.faults.append(f"never taken: {sorted({message.name for message in waiting})}")


def _is_taken(stubs: Stubs, message: Sent, tally: RepeatTally) -> bool:
    tally.sends += 1
    try:
        message.send(stubs)
    except NotYetError:
        return False
    except grpc.RpcError as error:
        reason = read_refusal(error).reason
        if reason not in _ANSWERS | _NOT_YET:
            tally.faults.append(f"{message.name}: {error}")
        return reason not in _NOT_YET
    return True


def _settle(stubs: Stubs) -> None:
    """Waits until every package is processed."""
    request = ingestion_service_pb2.ListPackagesRequest(device_id=DEVICE_ID)

    def look() -> bool:
        found = stubs.packages.ListPackages(request, timeout=30).packages
        return all(one.state == package_pb2.PACKAGE_STATE_PROCESSED for one in found)

    eventually(look, timeout_s=60)


def _differences(when: str, expected: Effect, seen: Effect) -> Iterator[str]:
    for name in expected:
        if expected[name] != seen[name]:
            yield f"{when}: {name} were {expected[name]}, are {seen[name]}"


def main(arguments: list[str] | None = None) -> int:
    """Runs, and tells."""
    parser = argparse.ArgumentParser(
        prog="tests.reliability.transfer_repeats", description=(__doc__ or "").split(":")[0]
    )
    parser.add_argument("--orders", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tinymlops-repeats-") as folder:
        tally = run_repeats(Path(folder), options.orders, options.seed)
    for fault in tally.faults:
        print(f"broken: {fault}", file=sys.stderr)
    figures = {
        "messages": tally.messages,
        "orders": tally.orders,
        "sends": tally.sends,
        "put_off": tally.put_off,
        "different_effects": len(tally.faults),
    }
    quick = options.orders < parser.get_default("orders")
    print(
        json.dumps({"name": "reliability.transfer_repeats", "quick": quick, "figures": figures, "spread": {}})
    )
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
