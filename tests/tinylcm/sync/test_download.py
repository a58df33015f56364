"""A download goes on where it stood, takes no more of the link than it may, and never waits for ever."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import grpc
import pytest

from rig.link import FaultyLink, LinkFaults
from tests.fakes.sphere import CHUNK_BYTES, FakeSphere, Refusal
from tests.support.waiting import eventually
from tests.tinylcm.builders import HandClock
from tests.tinylcm.sync.conftest import Rig
from tinylcm.sync.download import Downloader
from tinylcm.sync.failures import CallError
from tinylcm.sync.pace import Pace

PATIENT_S, IMPATIENT_S = 20.0, 0.3


class Watched:
    """A pace that remembers what it said."""

    def __init__(self, bytes_per_s: float) -> None:
        self.pace = Pace(bytes_per_s, monotonic_s=time.monotonic)
        self.taken_bytes, self.waits_s = 0, list[float]()

    def take(self, size_bytes: int) -> float:
        self.taken_bytes += size_bytes
        self.waits_s.append(self.pace.take(size_bytes))
        return self.waits_s[-1]


def downloader(rig: Rig, *, stall_timeout_s: float = PATIENT_S, bytes_per_s: float = 0.0) -> Downloader:
    pace = Pace(bytes_per_s, monotonic_s=time.monotonic)
    return Downloader(rig.servers.rollouts, stall_timeout_s=stall_timeout_s, pace=pace)


def publish(sphere: FakeSphere, size_bytes: int) -> str:
    content = os.urandom(size_bytes)
    digest = hashlib.sha256(content).hexdigest()
    sphere.artifacts[digest] = content
    return digest


def test_a_stalled_download_is_ended_by_the_watchdog_and_goes_on_later(
    rig: Rig, sphere: FakeSphere, tmp_path: Path
) -> None:
    digest, path = publish(sphere, 100_000), tmp_path / "part"
    sphere.stall_downloads = True
    with pytest.raises(CallError) as caught:
        downloader(rig, stall_timeout_s=IMPATIENT_S).fetch(digest, 100_000, path)
    assert caught.value.is_link_failure
    assert path.stat().st_size == CHUNK_BYTES

    sphere.stall_downloads = False
    downloader(rig).fetch(digest, 100_000, path)
    assert path.read_bytes() == sphere.artifacts[digest]
    assert sphere.download_offsets == [0, CHUNK_BYTES]


def test_a_half_open_link_is_ended_by_the_watchdog(
    sphere: FakeSphere, tmp_path: Path, clock: HandClock
) -> None:
    digest, path = publish(sphere, 400_000), tmp_path / "part"
    slow = LinkFaults(rate_bytes_per_s=200_000)
    with FaultyLink(sphere.address, slow, seed=1) as link:
        rig = Rig(link.address, tmp_path, clock)

        def die() -> None:
            eventually(lambda: path.exists() and path.stat().st_size > 0)
            link.stall()

        dying = threading.Thread(target=die)
        dying.start()
        with pytest.raises(CallError) as caught:
            downloader(rig, stall_timeout_s=1.0).fetch(digest, 400_000, path)
        dying.join()
        assert caught.value.is_link_failure
        assert 0 < path.stat().st_size < 400_000
        rig.close()


def test_a_cap_takes_every_byte_from_one_bucket(rig: Rig, sphere: FakeSphere, tmp_path: Path) -> None:
    digest, watched = publish(sphere, 60_000), Watched(bytes_per_s=40_000.0)
    capped = Downloader(rig.servers.rollouts, stall_timeout_s=PATIENT_S, pace=watched)  # type: ignore[arg-type]  # a witness
    capped.fetch(digest, 60_000, tmp_path / "part")

    assert watched.taken_bytes == 60_000
    assert sum(watched.waits_s) > 0, "more than one second's worth has to wait"


def test_waiting_for_the_cap_is_no_stall(rig: Rig, sphere: FakeSphere, tmp_path: Path) -> None:
    digest = publish(sphere, 50_000)
    slow = downloader(rig, stall_timeout_s=IMPATIENT_S, bytes_per_s=20_000.0)
    slow.fetch(digest, 50_000, tmp_path / "part")

    assert (tmp_path / "part").read_bytes() == sphere.artifacts[digest]


def test_a_device_that_ends_does_not_wait_for_its_cap(rig: Rig, sphere: FakeSphere, tmp_path: Path) -> None:
    digest, path = publish(sphere, 4 * CHUNK_BYTES), tmp_path / "part"
    errors: list[CallError] = []

    def fetch() -> None:
        try:
            downloader(rig, bytes_per_s=1.0).fetch(digest, 4 * CHUNK_BYTES, path)
        except CallError as error:
            errors.append(error)

    fetching = threading.Thread(target=fetch)
    fetching.start()
    eventually(lambda: path.exists() and path.stat().st_size > 0)
    rig.servers.close()
    fetching.join(30)
    assert not fetching.is_alive()


def test_a_part_beyond_the_end_is_thrown_away(rig: Rig, sphere: FakeSphere, tmp_path: Path) -> None:
    digest, path = publish(sphere, 50_000), tmp_path / "part"
    path.write_bytes(sphere.artifacts[digest][:30_000])
    sphere.refuse(
        "DownloadArtifact", Refusal(code=grpc.StatusCode.OUT_OF_RANGE, reason="OFFSET_OUT_OF_RANGE")
    )
    with pytest.raises(CallError, match="OUT_OF_RANGE"):
        downloader(rig).fetch(digest, 50_000, path)
    downloader(rig).fetch(digest, 50_000, path)

    assert path.read_bytes() == sphere.artifacts[digest]
    assert sphere.download_offsets == [0]
