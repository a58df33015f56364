"""A real PostgreSQL for tests: Debian's, on a free port, with its data in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2

SUPERUSER = "postgres"
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A running server that trusts every local connection."""

    port: int
    names: Iterator[int]

    def create_database(self) -> str:
        """Create an empty database and return its `postgresql+psycopg2` URL."""
        name = f"tinymlops_{next(self.names)}"
        with closing(connect(self.port)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg2://{SUPERUSER}@127.0.0.1:{self.port}/{name}"


def binaries() -> Path | None:
    """The folder of the newest `initdb` and `postgres`; Debian keeps them off PATH. None without one."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: int(path.parts[-3]), default=None)
    if newest is not None:
        return newest.parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def running_server(programs: Path) -> Iterator[PostgresServer]:
    """Start a server, yield it, stop it and remove its data.

    Durability is left on (`fsync`), so that crash tests mean what they say.

    Raises:
        subprocess.CalledProcessError: `initdb` refused.
        RuntimeError: the server did not accept connections; the message carries its log.
    """
    # Not pytest's tmp_path: its parent is closed to the unprivileged user.
    folder = Path(tempfile.mkdtemp(prefix="tinymlops-postgres-"))
    try:
        identity = unprivileged_identity(folder)
        initialise(programs, folder / "data", identity)
        process, port = start(programs, folder, identity)
        try:
            yield PostgresServer(port=port, names=count(1))
        finally:
            stop(process)
    finally:
        shutil.rmtree(folder)


def unprivileged_identity(folder: Path) -> dict[str, Any]:
    """Arguments that make `subprocess` drop root, which PostgreSQL refuses to run as; hands over `folder`."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get(SUPERUSER) or known["nobody"]
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def initialise(programs: Path, data: Path, identity: dict[str, Any]) -> None:
    options = ["--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C"]
    command = [str(programs / "initdb"), "--pgdata", str(data), *options]
    subprocess.run(
        command, check=True, capture_output=True, cwd=data.parent, timeout=START_TIMEOUT_S, **identity
    )


def start(
    programs: Path, folder: Path, identity: dict[str, Any], wanted_port: int | None = None
) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server; another port is tried when somebody took ours between choosing and binding."""
    for _ in range(3):
        port = wanted_port or free_port()
        addresses = ["-h", "127.0.0.1", "-p", str(port), "-k", str(folder)]
        command = [str(programs / "postgres"), "-D", str(folder / "data"), *addresses]
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **identity)
        if accepts_connections(process, port):
            return process, port
        stop(process)
    raise RuntimeError(f"PostgreSQL did not start:\n{(folder / 'log').read_text()}")


def accepts_connections(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the server answers; False when it ended or did not answer in time."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            connect(port).close()
        except psycopg2.OperationalError:
            time.sleep(0.05)
        else:
            return True
    return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask for a fast shutdown, then insist."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def connect(port: int) -> psycopg2.extensions.connection:
    return psycopg2.connect(host="127.0.0.1", port=port, user=SUPERUSER, dbname="postgres", connect_timeout=5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
