"""Commands of operators, beside `tinysphere serve`: each returns when it is done, but `worker`."""

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from tinysphere.settings import Settings

if TYPE_CHECKING:
    from tinysphere.storage.sql.database import Database

# The server's libraries take a second to load: every command loads its own, so that --help need not wait.


def worker(
    threads: Annotated[int, typer.Option(min=1, max=64, help="Packages processed at the same time.")] = 1,
) -> None:
    """Process packages until SIGTERM or SIGINT, beside a server or on another host.

    It needs the server's database and blob store, and reaches the drift service at TINYSPHERE_DRIFT_TARGET.
    """
    from tinysphere.bootstrap.worker import work

    work(Settings(), thread_count=threads)


def migrate() -> None:
    """Bring the database's schema up to date."""
    from tinysphere import bootstrap
    from tinysphere.storage.sql.database import Database

    settings = Settings()
    database = Database(settings.database_url)
    try:
        bootstrap.migrate(settings, database)
    finally:
        database.dispose()
    print(f"migrated {database.shown_url}")


def ready(
    target: Annotated[str, typer.Argument(help="Address of a running server, host:port.")],
    service: Annotated[
        str, typer.Option(help="A service of the contract, or `liveness`; empty asks for readiness.")
    ] = "",
) -> None:
    """Ask a running server whether it is ready; exit status 0 if so. For health checks of containers."""
    from tinysphere.rpc.health import is_serving

    is_ready = is_serving(target, service)
    print("ready" if is_ready else "not ready")
    raise typer.Exit(0 if is_ready else 1)


def doctor() -> None:
    """Look at all that the server stands on: database, schema, clock, workers, blobs, MLflow, disk, keys.

    One line each: ok, warn or fail, and what to do. The exit status is 1 when something fails.
    """
    from tinysphere.bootstrap.doctor import Doctor, Verdict

    failed = False
    for finding in Doctor(Settings()).findings():
        advice = f" -> {finding.advice}" if finding.advice else ""
        print(f"{finding.verdict.value:<4} {finding.part:<12} {finding.told}{advice}", flush=True)
        failed = failed or finding.verdict is Verdict.FAIL
    raise typer.Exit(1 if failed else 0)


DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")]


def gc(dry_run: DryRun = False) -> None:
    """Collect garbage now, as a server does by itself: expired uploads, old points and logs, blobs nothing needs.

    Safe beside running servers. How long things are kept: TINYSPHERE_KEEP_*_S, TINYSPHERE_*_RETENTION_S,
    TINYSPHERE_UPLOAD_EXPIRY_S and TINYSPHERE_GARBAGE_GRACE_S. A dry run looks at blobs only.
    """
    from tinysphere.bootstrap import collection, garbage
    from tinysphere.domain.clock import SystemClock
    from tinysphere.storage.blobs import open_blobs

    settings, clock = Settings(), SystemClock()
    with _database(settings) as database:
        blobs = open_blobs(settings)
        if dry_run:
            swept = garbage.collector(settings, database, blobs, clock).run(actor=_actor(), dry_run=True)
            print(collection.told(swept, "would delete"))
            return
        for done in collection.collect(settings, database, blobs, clock, actor=_actor()):
            print(done, flush=True)


def forget(
    device_id: Annotated[str, typer.Argument(help="The device whose data is deleted, for good.")],
    dry_run: DryRun = False,
) -> None:
    """Delete all that is stored of a device: its packages, measurements, samples, verdicts and registration.

    Repeatable. Stop the device first: what it sends later is new. Its blobs follow with the next garbage collection
    after the grace. An audit record says who deleted how much, and when.
    """
    from tinysphere.bootstrap import garbage
    from tinysphere.domain.clock import SystemClock

    with _database(Settings()) as database:
        counts = garbage.forgetting(database, SystemClock()).run(device_id, actor=_actor(), dry_run=dry_run)
    for name, count in sorted(counts.items()):
        print(f"{name} {count}")
    print(f"{'would delete' if dry_run else 'deleted'} {sum(counts.values())} rows of {device_id}")


@contextmanager
def _database(settings: Settings) -> "Iterator[Database]":
    """The database, its schema up to date."""
    from tinysphere.storage.sql.database import Database

    database = Database(settings.database_url)
    try:
        database.migrate()
        yield database
    finally:
        database.dispose()


def _actor() -> str:
    """Who types the command."""
    return f"{getpass.getuser()} at {socket.gethostname()}"
