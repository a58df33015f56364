"""Registered model versions over SQLite and PostgreSQL."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from tinysphere.domain.devices import ModelReference
from tinysphere.domain.models import ModelVersion
from tinysphere.errors import ConflictError
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.tables_distribution import model_versions as table

_REGISTERED = table.c.version.is_not(None)


class SqlModelStore:
    """See `tinysphere.storage.ports.distribution.ModelStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, version: ModelVersion) -> None:
        """See `ModelStore.reserve`."""
        try:
            with self._database.transaction() as connection:
                connection.execute(sa.insert(table).values(_values(version)))
        except IntegrityError:
            if not self._is_reserved(version.model):  # not a publisher of the same bundle before us
                raise

    def activate(self, model_name: str, bundle_sha256: str, version: int) -> ModelVersion:
        """See `ModelStore.activate`."""
        key = _key(model_name, bundle_sha256)
        try:
            with self._database.transaction() as connection:
                connection.execute(sa.update(table).where(key, ~_REGISTERED).values(version=version))
                return _version(connection.execute(sa.select(table).where(key)).one())
        except IntegrityError as error:
            raise ConflictError(
                "MODEL_VERSION_CONFLICT",
                f"the registry gave {model_name} version {version}, which is another bundle here: "
                "expected the registry that numbered the versions before",
            ) from error

    def find_bundle(self, model_name: str, bundle_sha256: str) -> ModelVersion | None:
        """See `ModelStore.find_bundle`."""
        row = self._find(_key(model_name, bundle_sha256) & _REGISTERED)
        return None if row is None else _version(row)

    def find_version(self, model_name: str, version: int | None) -> ModelVersion | None:
        """See `ModelStore.find_version`."""
        wanted = _REGISTERED if version is None else table.c.version == version
        row = self._find((table.c.model_name == model_name) & wanted)
        return None if row is None else _version(row)

    def latest_versions(self, *, after: str | None, limit: int) -> Sequence[ModelVersion]:
        """See `ModelStore.latest_versions`."""
        newer = table.alias("newer")
        is_latest = ~sa.exists().where(
            newer.c.model_name == table.c.model_name, newer.c.version > table.c.version
        )
        query = sa.select(table).where(_REGISTERED, is_latest).order_by(table.c.model_name).limit(limit)
        return self._list(query if after is None else query.where(table.c.model_name > after))

    def list_versions(self, model_name: str, *, after: int | None, limit: int) -> Sequence[ModelVersion]:
        """See `ModelStore.list_versions`."""
        query = sa.select(table).where(table.c.model_name == model_name, _REGISTERED)
        query = query.order_by(table.c.version.desc()).limit(limit)
        return self._list(query if after is None else query.where(table.c.version < after))

    def _is_reserved(self, model: ModelReference) -> bool:
        return self._find(_key(model.model_name, model.bundle_sha256)) is not None

    def _find(self, condition: sa.ColumnElement[bool]) -> sa.Row[Any] | None:
        query = sa.select(table).where(condition).order_by(table.c.version.desc()).limit(1)
        with self._database.reading() as connection:
            return connection.execute(query).one_or_none()

    def _list(self, query: sa.Select[Any]) -> Sequence[ModelVersion]:
        with self._database.reading() as connection:
            return [_version(row) for row in connection.execute(query)]


def _key(model_name: str, bundle_sha256: str) -> sa.ColumnElement[bool]:
    return (table.c.model_name == model_name) & (table.c.bundle_sha256 == bundle_sha256)


def _values(version: ModelVersion) -> dict[str, Any]:
    return {
        "model_name": version.model.model_name,
        "bundle_sha256": version.model.bundle_sha256,
        "feature_space": version.model.feature_space,
        "size_bytes": version.size_bytes,
        "release_counter": version.release_counter,
        "signing_key_id": version.signing_key_id,
        "class_names": list(version.class_names),
        "metrics": dict(version.metrics),
        "publish_time": version.publish_time,
    }


def _version(row: sa.Row[Any]) -> ModelVersion:
    return ModelVersion(
        model=ModelReference(
            model_name=row.model_name,
            version=row.version,
            bundle_sha256=row.bundle_sha256,
            feature_space=row.feature_space,
        ),
        size_bytes=row.size_bytes,
        release_counter=row.release_counter,
        signing_key_id=row.signing_key_id,
        class_names=tuple(row.class_names),
        metrics=row.metrics,
        publish_time=row.publish_time,
    )
