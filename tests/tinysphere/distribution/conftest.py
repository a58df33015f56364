"""The distribution service over each database, with a real registry and the real DeviceService beside it."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.tinysphere.distribution.builders import KEY, public_pem
from tests.tinysphere.distribution.called import Called
from tinysphere.storage.registry_mlflow import MlflowRegistry
from tinysphere.storage.sql.database import Database


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    database = Database(migrated_url)
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database, made once: each test that wants a registry of its own copies the file."""
    folder = tmp_path_factory.mktemp("mlflow")
    MlflowRegistry(f"sqlite:///{folder}/mlflow.db", folder).warm_up()
    return folder / "mlflow.db"


@pytest.fixture
def data_dir(tmp_path: Path, mlflow_template: Path) -> Path:
    """A data folder with MLflow's tables made and one trusted key."""
    shutil.copy(mlflow_template, tmp_path / "mlflow.db")
    (tmp_path / "trusted_keys").mkdir()
    (tmp_path / "trusted_keys" / "release.pem").write_bytes(public_pem(KEY))
    return tmp_path


@pytest.fixture
def called(migrated_url: str, data_dir: Path) -> Iterator[Called]:
    """Both services on free ports, with everything that runs beside them."""
    with ExitStack() as stack:
        yield Called(migrated_url, data_dir, stack)
