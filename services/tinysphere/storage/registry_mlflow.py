"""The model registry in MLflow: in process over a database, or a tracking server by URL.

One experiment per model, one run per bundle (parameters, metrics, the signed manifest as artifact) and one
registered version pointing at that run. The bundle's bytes stay in the blob store; the tag ``bundle_sha256``
names them. Aliases, not stages, which MLflow deprecated.
"""

import json
import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tinysphere.domain.models import Bundle
from tinysphere.errors import UnavailableError
from tinysphere.storage.ports.registry import CANDIDATE, CHAMPION, PREVIOUS

logger = logging.getLogger(__name__)

SQLITE = "sqlite:///"
DIGEST_TAG = "bundle_sha256"
MANIFEST_PATH = "bundle/manifest.json"
RETRY_AFTER_S = 5.0

_MISSING = "RESOURCE_DOES_NOT_EXIST"
_EXISTS = "RESOURCE_ALREADY_EXISTS"
_MAX_VALUE_CHARACTERS = 5000  # of MLflow's 6,000; the manifest holds the whole
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_ -]")  # MLflow reads dots and slashes in names as paths


class MlflowRegistry:
    """See `tinysphere.storage.ports.registry.ModelRegistry`. Threads may share it."""

    def __init__(self, tracking_uri: str, artifact_folder: Path) -> None:
        """Keep the settings; MLflow is imported (2 s) and its database made (3 s) with the first call.

        Args:
            tracking_uri: A database URL, or the http(s) URL of a tracking server.
            artifact_folder: Where manifests go when there is no tracking server to take them.
        """
        self._tracking_uri = tracking_uri
        self._artifact_folder = artifact_folder
        self._opening = threading.Lock()
        self._registering = threading.Lock()
        self._made: Any = None

    def warm_up(self) -> None:
        """Import MLflow and make its database now, so that no caller waits for it."""
        self._client()

    def check(self) -> None:
        """Make sure that the registry answers; makes its database where it is missing.

        Raises:
            UnavailableError: MLflow is away.
        """
        client = self._client()
        with _translated():
            client.search_registered_models(max_results=1)

    def register(self, bundle: Bundle) -> int:
        """See `ModelRegistry.register`."""
        client = self._client()
        with self._registering, _translated():
            _ensure_model(client, bundle.model_name)
            version = _lowest_version(client, bundle)
            if version is None:
                version = self._add_version(client, bundle)
            if version > self._aliases(client, bundle.model_name).get(CANDIDATE, 0):
                client.set_registered_model_alias(bundle.model_name, CANDIDATE, str(version))
        return version

    def aliases(self, model_name: str) -> Mapping[str, int]:
        """See `ModelRegistry.aliases`."""
        client = self._client()
        with _translated():
            return self._aliases(client, model_name)

    def promote(self, model_name: str, version: int) -> None:
        """See `ModelRegistry.promote`."""
        client = self._client()
        with _translated():
            champion = self._aliases(client, model_name).get(CHAMPION)
            if champion == version:
                return
            if champion is not None:  # first, so that a crash between the two is repaired by repeating both
                client.set_registered_model_alias(model_name, PREVIOUS, str(champion))
            client.set_registered_model_alias(model_name, CHAMPION, str(version))

    def _add_version(self, client: Any, bundle: Bundle) -> int:
        run = self._run(client, bundle)
        tags = {DIGEST_TAG: bundle.sha256, **_facts(bundle)}
        source = f"{run.info.artifact_uri.rstrip('/')}/{Path(MANIFEST_PATH).parent}"
        made = client.create_model_version(bundle.model_name, source, run_id=run.info.run_id, tags=tags)
        # Another process may have registered the bundle meanwhile: all of them keep the lowest version.
        lowest = _lowest_version(client, bundle)
        if lowest is None or lowest == int(made.version):
            return int(made.version)
        client.delete_model_version(bundle.model_name, str(made.version))
        return lowest

    def _run(self, client: Any, bundle: Bundle) -> Any:
        experiment_id = self._experiment(client, bundle.model_name)
        known = client.search_runs(
            [experiment_id], filter_string=f"tags.{DIGEST_TAG} = '{bundle.sha256}'", max_results=1
        )
        name = f"{bundle.model_name} release {bundle.release_counter}"
        run = (
            known[0]
            if known
            else client.create_run(experiment_id, tags={DIGEST_TAG: bundle.sha256}, run_name=name)
        )
        # Everything below may be repeated, so a run that a crash left half-written is completed.
        for key, value in _facts(bundle).items():
            client.log_param(run.info.run_id, key, value)
        for key, number in bundle.metrics.items():
            client.log_metric(
                run.info.run_id, _NOT_IN_NAMES.sub("_", key), number, timestamp=run.info.start_time, step=0
            )
        client.log_text(run.info.run_id, bundle.manifest.decode(), MANIFEST_PATH)
        client.set_terminated(run.info.run_id)
        return run

    def _experiment(self, client: Any, model_name: str) -> str:
        name = f"tinymlops/{model_name}"
        known = client.get_experiment_by_name(name)
        if known is not None:
            return str(known.experiment_id)
        folder = None if self._tracking_uri.startswith("http") else self._artifact_folder / model_name
        location = None if folder is None else folder.absolute().as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except _mlflow_error() as error:
            if error.error_code != _EXISTS:
                raise
            return str(client.get_experiment_by_name(name).experiment_id)

    def _aliases(self, client: Any, model_name: str) -> Mapping[str, int]:
        try:
            model = client.get_registered_model(model_name)
        except _mlflow_error() as error:
            if error.error_code != _MISSING:
                raise
            return {}
        return {alias: int(version) for alias, version in model.aliases.items()}

    def _client(self) -> Any:
        with self._opening:
            if self._made is None:
                os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
                try:
                    from mlflow.tracking import MlflowClient
                except ImportError as error:
                    raise RuntimeError(
                        "the model registry needs MLflow: install tinymlops[server]"
                    ) from error
                with _translated():
                    self._made = _opened(MlflowClient, self._tracking_uri)
            return self._made


def _opened(client_class: Any, tracking_uri: str) -> Any:
    uri = with_driver(tracking_uri)
    _make_sqlite_file(uri)
    client = client_class(tracking_uri=uri, registry_uri=uri)
    client.search_registered_models(max_results=1)  # makes the database's tables
    return client


def _make_sqlite_file(uri: str) -> None:
    """Make an embedded database whole or not at all: MLflow cannot go on with one that a kill left half made."""
    if not uri.startswith(SQLITE) or "?" in uri or (path := Path(uri.removeprefix(SQLITE))).exists():
        return
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f"{path.name}-", dir=path.parent) as folder:
        made = Path(folder, path.name)
        store = SqlAlchemyStore(f"{SQLITE}{made}")  # type: ignore[no-untyped-call]  # MLflow's types end here
        store.engine.dispose()
        with suppress(FileExistsError):  # another process was faster
            os.link(made, path)


def with_driver(uri: str) -> str:
    """The URI with our driver: SQLAlchemy 2.1 reads ``postgresql://`` as psycopg 3."""
    for scheme in ("postgresql://", "postgres://"):
        if uri.startswith(scheme):
            return "postgresql+psycopg2://" + uri.removeprefix(scheme)
    return uri


def _ensure_model(client: Any, model_name: str) -> None:
    try:
        client.create_registered_model(model_name)
    except _mlflow_error() as error:
        if error.error_code != _EXISTS:
            raise


def _lowest_version(client: Any, bundle: Bundle) -> int | None:
    found = client.search_model_versions(
        f"name = '{bundle.model_name}' and tags.{DIGEST_TAG} = '{bundle.sha256}'"
    )
    return min((int(version.version) for version in found), default=None)


def _facts(bundle: Bundle) -> dict[str, str]:
    facts = {
        "size_bytes": str(bundle.size_bytes),
        "release_counter": str(bundle.release_counter),
        "signing_key_id": bundle.signing_key_id,
        "feature_space": bundle.feature_space,
        "class_names": json.dumps(bundle.class_names),
        "input_shape": json.dumps(bundle.input.shape),
        "input_dtype": bundle.input.dtype,
        "runtime": bundle.runtime,
        "platforms": json.dumps(bundle.platforms),
    }
    return {name: value[:_MAX_VALUE_CHARACTERS] for name, value in facts.items()}


def _mlflow_error() -> Any:
    from mlflow.exceptions import MlflowException

    return MlflowException


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # MLflow lets through whatever its database or its HTTP client raises
        logger.warning("the model registry failed", exc_info=True)
        raise UnavailableError(
            "REGISTRY_UNAVAILABLE",
            "the model registry is away; the server's log has more",
            retry_after_s=RETRY_AFTER_S,
        ) from error
