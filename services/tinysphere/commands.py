"""Commands of operators, beside `tinysphere serve`: each returns when it is done, but `worker`."""

from typing import Annotated

import typer

from tinysphere.settings import Settings

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
