"""Answers what models there are. Facts come from our tables, aliases from the registry, where people move them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tinysphere.domain.models import ModelVersion
from tinysphere.errors import NotFoundError
from tinysphere.storage.ports.distribution import ModelStore
from tinysphere.storage.ports.registry import ModelRegistry


class Catalogue:
    """Published model versions."""

    def __init__(self, store: ModelStore, registry: ModelRegistry) -> None:
        self._store = store
        self._registry = registry

    def latest_versions(self, *, after: str | None, limit: int) -> Sequence[ModelVersion]:
        """Newest version of each model, in the order of the names, which is the key."""
        return self._with_aliases(self._store.latest_versions(after=after, limit=limit))

    def versions(self, model_name: str, *, after: int | None, limit: int) -> Sequence[ModelVersion]:
        """Versions of a model, newest first; the key is the version.

        Raises:
            NotFoundError: MODEL_NOT_FOUND.
        """
        found = self._store.list_versions(model_name, after=after, limit=limit)
        if not found and self._store.find_version(model_name, None) is None:
            raise NotFoundError("MODEL_NOT_FOUND", f"no model {model_name}")
        return self._with_aliases(found)

    def version(self, model_name: str, version: int | None) -> ModelVersion:
        """One version; the newest for None.

        Raises:
            NotFoundError: MODEL_VERSION_NOT_FOUND.
        """
        return self.decorated(find_version(self._store, model_name, version))

    def decorated(self, version: ModelVersion) -> ModelVersion:
        """A version with the aliases that point at it now."""
        return self._with_aliases([version])[0]

    def _with_aliases(self, versions: Sequence[ModelVersion]) -> Sequence[ModelVersion]:
        names = {version.model.model_name for version in versions}
        aliases = {name: self._registry.aliases(name) for name in names}
        return [_decorated(version, aliases[version.model.model_name]) for version in versions]


def find_version(store: ModelStore, model_name: str, version: int | None) -> ModelVersion:
    """One version without aliases; see `Catalogue.version`."""
    found = store.find_version(model_name, version)
    if found is None:
        wanted = "" if version is None else f" version {version}"
        raise NotFoundError("MODEL_VERSION_NOT_FOUND", f"no model {model_name}{wanted}")
    return found


def _decorated(version: ModelVersion, aliases: Mapping[str, int]) -> ModelVersion:
    own = sorted(alias for alias, number in aliases.items() if number == version.model.version)
    return replace(version, aliases=tuple(own))
