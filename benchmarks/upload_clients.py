"""One upload from a process of its own, so that its CPU time is known.

Run as a program with a server's name, its address and a file it prints a JSON object: seconds from the first request to
the answer, and CPU seconds of the process meanwhile. Imports, registration and connecting are over by then, and the
file's digest is known, as it is when a device has closed a package.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.upload_servers import PIECE_BYTES

TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one upload took of the device."""

    wall_s: float
    cpu_s: float


def send_from_process(name: str, address: str, path: Path) -> Spent:
    """Uploads a file with the client that belongs to a server."""
    command = [sys.executable, "-m", "benchmarks.upload_clients", name, address, str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=TIMEOUT_S)
    return Spent(**json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def tinylcm(address: str, path: Path, sha256: str) -> Iterator[Callable[[], None]]:
    """The sending side of our device."""
    from tests.tinylcm.sync.conftest import Rig
    from tinylcm.adapters.clock import SystemClock
    from tinylcm.ports import OutgoingPackage, Priority

    clock = SystemClock()
    package = OutgoingPackage(
        package_id=clock.new_id(),
        priority=Priority.SAMPLES,
        size_bytes=path.stat().st_size,
        sha256=sha256,
        create_time=clock.now(),
    )
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(address, Path(folder), clock)
        rig.contact.keep()
        yield lambda: rig.uploader.send(package, path)
        rig.close()


@contextmanager
def aiohttp(address: str, path: Path, sha256: str) -> Iterator[Callable[[], None]]:
    """A streaming PUT."""

    async def pieces() -> Any:
        with path.open("rb") as file:
            while data := file.read(PIECE_BYTES):
                yield data

    yield lambda: asyncio.run(_request("PUT", address, pieces(), sha256))


@contextmanager
def fastapi(address: str, path: Path, sha256: str) -> Iterator[Callable[[], None]]:
    """A multipart POST, streamed by aiohttp's client."""
    from aiohttp import FormData

    with path.open("rb") as file:
        form = FormData()
        form.add_field("package", file, filename=path.name)
        yield lambda: asyncio.run(_request("POST", address, form, sha256))


async def _request(method: str, address: str, data: Any, sha256: str) -> None:
    from aiohttp import ClientSession

    async with (
        ClientSession(raise_for_status=True) as session,
        session.request(method, f"http://{address}/package", data=data) as response,
    ):
        told = await response.text()
    if told != sha256:
        raise RuntimeError(f"sent {sha256}, the server received {told}")


@contextmanager
def s3(address: str, path: Path, sha256: str) -> Iterator[Callable[[], None]]:
    """The object store's own client with its own part size, three parts at a time."""
    from minio import Minio

    from tests.support.seaweedfs import ACCESS_KEY, SECRET_KEY

    client = Minio(address, access_key=ACCESS_KEY, secret_key=SECRET_KEY, secure=False, region="us-east-1")
    if not client.bucket_exists(bucket_name="packages"):
        client.make_bucket(bucket_name="packages")
    yield lambda: _put_object(client, f"{sha256}-{uuid.uuid4()}", path)


def _put_object(client: Any, name: str, path: Path) -> None:
    client.fput_object(bucket_name="packages", object_name=name, file_path=str(path))


def send() -> None:
    """Uploads once and prints what it took."""
    name, address, path = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    opened = {"tinysphere": tinylcm, "aiohttp": aiohttp, "fastapi": fastapi, "s3": s3}[name]
    with opened(address, path, sha256) as upload:
        began_s, cpu_began_s = time.perf_counter(), time.process_time()
        upload()
        wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_began_s
    print(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s}))


if __name__ == "__main__":
    send()
