"""The registry in MLflow, for real: in process, over SQLite and PostgreSQL."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from mlflow.tracking import MlflowClient

from tests.support.postgresql import PostgresServer
from tests.tinysphere.distribution.builders import bundle, digest, model_version
from tinysphere.errors import UnavailableError
from tinysphere.storage.ports.registry import CANDIDATE, CHAMPION, PREVIOUS
from tinysphere.storage.registry_mlflow import MlflowRegistry, with_driver
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.models import SqlModelStore


@pytest.fixture(scope="module")
def postgres_registry_url(postgres_server: PostgresServer) -> str:
    return postgres_server.create_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def uri(request: pytest.FixtureRequest, tmp_path: Path, mlflow_template: Path) -> str:
    """A prepared database of each kind. The one in PostgreSQL is shared, so names of models differ by test."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_registry_url"))
    shutil.copy(mlflow_template, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def registry(uri: str, tmp_path: Path) -> MlflowRegistry:
    return MlflowRegistry(uri, tmp_path / "artifacts with space")


@pytest.fixture
def mlflow(uri: str) -> MlflowClient:
    """As a data scientist would look at it."""
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return f"m{digest(request.node.name)[:12]}"


def test_a_bundle_becomes_the_first_version_and_the_candidate(registry: MlflowRegistry, name: str) -> None:
    assert registry.register(bundle(1, model_name=name)) == 1
    assert registry.aliases(name) == {CANDIDATE: 1}


def test_the_same_bundle_is_registered_once(
    registry: MlflowRegistry, mlflow: MlflowClient, name: str
) -> None:
    assert [registry.register(bundle(1, model_name=name)) for _ in range(3)] == [1, 1, 1]
    assert len(mlflow.search_model_versions(f"name = '{name}'")) == 1


def test_parallel_publishers_of_one_bundle_agree(
    registry: MlflowRegistry, mlflow: MlflowClient, name: str
) -> None:
    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(registry.register, [bundle(1, model_name=name)] * 4))
    assert versions == [1, 1, 1, 1]
    assert len(mlflow.search_model_versions(f"name = '{name}'")) == 1


def test_the_candidate_is_the_newest_version(registry: MlflowRegistry, name: str) -> None:
    first, second = bundle(1, model_name=name), bundle(2, model_name=name)
    assert [registry.register(one) for one in (first, second, first)] == [1, 2, 1]
    assert registry.aliases(name) == {CANDIDATE: 2}


def test_mlflow_shows_facts_figures_and_manifest(
    registry: MlflowRegistry, mlflow: MlflowClient, name: str
) -> None:
    known = replace(bundle(1, model_name=name), metrics={"holdout_accuracy": 0.875, "top-1/../x": 0.5})
    registry.register(known)
    version = mlflow.get_model_version(name, "1")
    assert version.tags["bundle_sha256"] == known.sha256
    assert version.tags["release_counter"] == str(known.release_counter)
    assert version.run_id is not None
    run = mlflow.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"holdout_accuracy": 0.875, "top-1____x": 0.5}
    assert run.data.params["feature_space"] == known.feature_space
    assert run.data.params["class_names"] == '["shirt", "sneaker"]'
    manifest = Path(unquote(urlparse(version.source).path)) / "manifest.json"
    assert manifest.read_bytes() == known.manifest


def test_long_lists_of_classes_fit(registry: MlflowRegistry, mlflow: MlflowClient, name: str) -> None:
    many = tuple(f"{number:064d}" for number in range(1000))
    registry.register(replace(bundle(1, model_name=name), class_names=many))
    run_id = mlflow.get_model_version(name, "1").run_id
    assert run_id is not None
    run = mlflow.get_run(run_id)
    assert run.data.params["class_names"].startswith(f'["{many[0]}"')


def test_a_run_that_a_crash_left_half_written_is_completed(
    registry: MlflowRegistry, mlflow: MlflowClient, name: str, tmp_path: Path
) -> None:
    known = bundle(1, model_name=name)
    experiment_id = mlflow.create_experiment(f"tinymlops/{name}", artifact_location=str(tmp_path / "runs"))
    half = mlflow.create_run(experiment_id, tags={"bundle_sha256": known.sha256})
    assert registry.register(known) == 1
    assert mlflow.get_model_version(name, "1").run_id == half.info.run_id
    assert mlflow.get_run(half.info.run_id).data.metrics == known.metrics


def test_a_missing_alias_is_repaired_by_repeating(
    registry: MlflowRegistry, mlflow: MlflowClient, name: str
) -> None:
    known = bundle(1, model_name=name)
    registry.register(known)
    mlflow.delete_registered_model_alias(name, CANDIDATE)
    registry.register(known)
    assert registry.aliases(name) == {CANDIDATE: 1}


def test_the_champion_before_becomes_the_previous_one(registry: MlflowRegistry, name: str) -> None:
    for number in (1, 2, 3):
        registry.register(bundle(number, model_name=name))
    registry.promote(name, 1)
    assert registry.aliases(name) == {CANDIDATE: 3, CHAMPION: 1}
    registry.promote(name, 2)
    registry.promote(name, 2)
    assert registry.aliases(name) == {CANDIDATE: 3, CHAMPION: 2, PREVIOUS: 1}


def test_aliases_that_people_set_are_seen(registry: MlflowRegistry, mlflow: MlflowClient, name: str) -> None:
    registry.register(bundle(1, model_name=name))
    mlflow.set_registered_model_alias(name, "golden", "1")
    assert registry.aliases(name) == {CANDIDATE: 1, "golden": 1}


def test_an_unknown_model_has_no_aliases(registry: MlflowRegistry, name: str) -> None:
    assert registry.aliases(name) == {}


def test_a_registry_that_is_away_says_so(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database, but something else" * 100)
    registry = MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "artifacts")
    with pytest.raises(UnavailableError) as caught:
        registry.aliases("fashion")
    assert caught.value.reason == "REGISTRY_UNAVAILABLE"
    assert str(tmp_path) not in str(caught.value)


def test_one_postgresql_database_may_hold_our_tables_and_mlflows(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.create_database()
    for _ in range(2):
        database = Database(url)
        database.migrate()
        store, registry = SqlModelStore(database), MlflowRegistry(url, tmp_path)
        known = model_version(1)
        store.reserve(known)
        version = registry.register(bundle(1))
        assert store.activate("fashion", known.model.bundle_sha256, version) == known
        assert registry.aliases("fashion") == {CANDIDATE: 1}
        database.dispose()


def test_telemetry_is_off(registry: MlflowRegistry) -> None:
    registry.warm_up()
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_postgresql_urls_name_our_driver() -> None:
    for url in ("postgresql://u@h/d", "postgres://u@h/d", "postgresql+psycopg2://u@h/d"):
        assert with_driver(url) == "postgresql+psycopg2://u@h/d"
    assert with_driver("sqlite:////data/mlflow.db") == "sqlite:////data/mlflow.db"


DIE_HALF_WAY = """
import os, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
from tinysphere.storage.registry_mlflow import MlflowRegistry

def die(connection, cursor, statement, *more):
    if statement.startswith("INSERT INTO _alembic_tmp_"):
        os._exit(9)

event.listen(Engine, "before_cursor_execute", die)
MlflowRegistry(sys.argv[1], Path(sys.argv[2])).warm_up()
"""


def test_a_death_while_the_database_is_made_does_no_harm(tmp_path: Path, name: str) -> None:
    """MLflow refuses for ever a database that was left inside one of its migrations."""
    uri, artifacts = f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "artifacts"
    died = subprocess.run(
        [sys.executable, "-c", DIE_HALF_WAY, uri, artifacts], capture_output=True, check=False
    )
    assert died.returncode == 9
    assert MlflowRegistry(uri, artifacts).register(bundle(1, model_name=name)) == 1
