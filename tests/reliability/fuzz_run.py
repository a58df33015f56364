"""Threads that send hostile requests of every method of the contract, over few channels, and count what came back."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from math import inf

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message

from tests.e2e.good_requests import GOOD, GOOD_STREAMS
from tests.e2e.world import World
from tests.reliability.fuzz_calls import Ended, call_broken_off, call_whole
from tests.reliability.fuzz_messages import Fuzzer, Known
from tests.support.contract import methods, places

_GOOD_USES = 50  # of one good request, which takes calls of its own to make
_BROKEN_OFF_SHARE = 0.25  # of calls with a stream
_LEFT_SHARE = 0.002  # of calls after which a thread's connections are torn down, with streams open
_LEARN_SHARE = 0.1
_TOLD_EVERY = 1000  # requests of one thread


@dataclass(slots=True, kw_only=True)
class FuzzTally:
    """What was counted."""

    codes: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    broken_off: int = 0
    connections_torn: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """Calls that were made."""
        return sum(self.methods.values())

    def add(self, other: FuzzTally) -> None:
        """Another thread's counts."""
        self.codes += other.codes
        self.methods += other.methods
        self.broken_off += other.broken_off
        self.connections_torn += other.connections_torn
        self.faults += other.faults


def send_all(world: World, count: int, thread_count: int, seed: int, deadline_s: float = inf) -> FuzzTally:
    """Sends ``count`` requests, each method as often as another; fewer when ``deadline_s`` (monotonic) has passed."""
    shares = [count // thread_count + (number < count % thread_count) for number in range(thread_count)]
    tally = FuzzTally()
    where = places(world.server.addresses)
    with ThreadPoolExecutor(thread_count) as pool:
        senders = [_Sender(world, where, random.Random(f"{seed}/{number}")) for number in range(thread_count)]
        for found in pool.map(_Sender.send, senders, shares, repeat(deadline_s)):
            tally.add(found)
    return tally


class _Sender:
    """One thread's connections, and what it has learnt."""

    def __init__(self, world: World, where: Mapping[str, str], rng: random.Random) -> None:
        self._world = world
        self._where = where
        self._rng = rng
        self._known = Known()
        self._fuzzer = Fuzzer(self._known, rng)
        self._good: dict[str, tuple[int, Message]] = {}
        self._channels = self._connect()
        self._tally = FuzzTally()

    def send(self, count: int, deadline_s: float) -> FuzzTally:
        """Sends ``count`` requests, or until the deadline."""
        every = [method for method in methods() if method.containing_service.full_name in self._where]
        try:
            for number in range(count):
                if time.monotonic() > deadline_s:
                    break
                if number % len(every) == 0:
                    self._rng.shuffle(every)
                self._send(every[number % len(every)])
                if self._rng.random() < _LEFT_SHARE:
                    self._tear_down(every)
                if (number + 1) % _TOLD_EVERY == 0:
                    self._tell()
        finally:
            self._close()
        return self._tally

    def _tell(self) -> None:
        tally = self._tally
        told = f"{tally.requests} requests, {len(tally.faults)} faults, {dict(tally.codes.most_common(4))}"
        print(f"one thread: {told}", file=sys.stderr, flush=True)

    def _send(self, method: MethodDescriptor) -> None:
        contents = self._contents(method)
        channel = self._channels[method.containing_service.full_name]
        streams = method.client_streaming or method.server_streaming
        if streams and self._rng.random() < _BROKEN_OFF_SHARE:
            ended = call_broken_off(channel, method, contents, self._rng)
            self._tally.broken_off += 1
        else:
            ended = call_whole(channel, method, contents)
        self._tally.methods[method.full_name] += 1
        self._tally.codes[ended.code] += 1
        self._tally.faults += [ended.fault] if ended.fault else []
        self._learn(method, ended)

    def _contents(self, method: MethodDescriptor) -> list[bytes]:
        if method.client_streaming:
            make = GOOD_STREAMS.get(method.name)
            good = make(self._world) if make is not None and self._rng.random() < 0.5 else []
            return self._fuzzer.of_stream(method.input_type, good)
        return [self._fuzzer.of_one(method.input_type, self._good_request(method.name))]

    def _good_request(self, name: str) -> Message | None:
        if name not in GOOD:
            return None
        uses, message = self._good.get(name, (_GOOD_USES, None))
        if message is None or uses >= _GOOD_USES:
            uses, message = 0, GOOD[name](self._world)
            self._known.learn(message)
        self._good[name] = (uses + 1, message)
        return message

    def _learn(self, method: MethodDescriptor, ended: Ended) -> None:
        if not ended.answer or self._rng.random() > _LEARN_SHARE:
            return
        try:
            self._known.learn(message_factory.GetMessageClass(method.output_type).FromString(ended.answer))
        except DecodeError:
            self._tally.faults.append(f"{method.full_name}: an answer that cannot be read")

    def _tear_down(self, every: Sequence[MethodDescriptor]) -> None:
        """Leaves with streams open, as a device that loses its link does."""
        open_streams = [
            threading.Thread(target=self._abandoned, args=(method, self._contents(method)))
            for method in every
            if method.client_streaming
        ]
        for thread in open_streams:
            thread.start()
        self._close()
        for thread in open_streams:
            thread.join()
        self._channels = self._connect()
        self._tally.connections_torn += 1

    def _abandoned(self, method: MethodDescriptor, contents: Sequence[bytes]) -> None:
        try:
            call_whole(self._channels[method.containing_service.full_name], method, contents)
        except ValueError:  # the channel was closed before it could begin
            return

    def _connect(self) -> dict[str, grpc.Channel]:
        """One connection to each process, by the services found there."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = {
            process: grpc.insecure_channel(address, options=options)
            for process, address in self._world.server.addresses.items()
        }
        return {name: channels[process] for name, process in self._where.items()}

    def _close(self) -> None:
        for channel in self._channels.values():
            channel.close()
