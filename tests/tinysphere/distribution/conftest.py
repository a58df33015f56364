"""The distribution service over each database, with a real registry, called through real gRPC."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tinysphere.storage.registry_mlflow import MlflowRegistry
from tinysphere.storage.sql.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty, migrated database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/distribution.db"
    else:
        url = request.getfixturevalue("postgres_server").create_database()
    database = Database(url)
    database.migrate()
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database, made once: each test that wants a registry of its own copies the file."""
    folder = tmp_path_factory.mktemp("mlflow")
    MlflowRegistry(f"sqlite:///{folder}/mlflow.db", folder).warm_up()
    return folder / "mlflow.db"
