"""The schema's revisions: which a database has, which this program wants, and the way there."""

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

VERSION_TABLE = "tinysphere_schema_version"  # MLflow, maybe in the same database, takes alembic_version

_FOLDER = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaState:
    """Where a database stands.

    Attributes:
        present: Its revisions; empty for a new database.
        newest: What this program wants.
        is_known: Whether this program knows the way from the one to the other.
    """

    present: frozenset[str]
    newest: frozenset[str]
    is_known: bool


def upgrade(connection: sa.Connection) -> None:
    """Bring the schema up to date, in the caller's transaction."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    # Each service's tables are a branch of their own, hence heads.
    command.upgrade(config, "heads")


def state(connection: sa.Connection) -> SchemaState:
    """Look, and change nothing."""
    scripts = ScriptDirectory(str(_FOLDER))
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    present = frozenset(context.get_current_heads())
    return SchemaState(
        present=present,
        newest=frozenset(scripts.get_heads()),
        is_known=all(_is_known(scripts, revision) for revision in present),
    )


def _is_known(scripts: ScriptDirectory, revision: str) -> bool:
    try:
        return scripts.get_revision(revision) is not None
    except CommandError:
        return False
