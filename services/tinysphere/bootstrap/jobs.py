"""Chooses the engine that does the work."""

from collections.abc import Sequence
from types import ModuleType

from tinysphere.errors import PreconditionError
from tinysphere.jobs.local import LocalJobs
from tinysphere.jobs.ports import Engine, Runner
from tinysphere.settings import Settings
from tinysphere.storage.sql.database import Database


def engine(settings: Settings, database: Database, runner: Runner, *, thread_count: int) -> Engine:
    """The engine of the settings, with so many threads that work; with 0 it only announces.

    Raises:
        PreconditionError: WORKER_ENGINE, the engine needs another database or a package that is missing.
    """
    if settings.worker_engine == "local":
        return LocalJobs(runner, thread_count=thread_count)
    _require_postgresql(database)
    try:
        from tinysphere.jobs.distributed import DistributedJobs  # a package of the extra [workers]
    except ImportError as error:
        raise _missing_extra() from error
    return DistributedJobs(runner, database_url=database.libpq_url, thread_count=thread_count)


def migrate(settings: Settings, database: Database) -> None:
    """Bring the tables of the engine up to date, if it has any.

    Raises:
        PreconditionError: as `engine`.
    """
    if settings.worker_engine == "local":
        return
    _schema(database).migrate(database.libpq_url)


def missing(settings: Settings, database: Database) -> Sequence[str]:
    """What `migrate` would apply.

    Raises:
        PreconditionError: as `engine`.
    """
    if settings.worker_engine == "local":
        return ()
    names: Sequence[str] = _schema(database).missing(database.libpq_url)
    return names


def _schema(database: Database) -> ModuleType:
    """Procrastinate's tables; its package is loaded here only."""
    _require_postgresql(database)
    try:
        from tinysphere.jobs import distributed_schema
    except ImportError as error:
        raise _missing_extra() from error
    return distributed_schema


def _require_postgresql(database: Database) -> None:
    """Raise PreconditionError/WORKER_ENGINE for another database."""
    if database.is_sqlite:
        raise PreconditionError(
            "WORKER_ENGINE",
            f"worker_engine procrastinate: expected a PostgreSQL database_url, got {database.shown_url}",
        )


def _missing_extra() -> PreconditionError:
    return PreconditionError(
        "WORKER_ENGINE", "worker_engine procrastinate: install the extra, tinymlops[server,workers]"
    )
