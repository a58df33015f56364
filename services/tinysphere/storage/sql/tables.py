"""Every table of every service, for what looks at all of them: migrations are compared with these."""

import importlib
import pkgutil
from pathlib import Path

import sqlalchemy as sa

from tinysphere.storage.sql.metadata import metadata


def all_tables() -> sa.MetaData:
    """The metadata, with every `tables_*` module of this package loaded."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith("tables_"):
            importlib.import_module(f"{__package__}.{module.name}")
    return metadata
