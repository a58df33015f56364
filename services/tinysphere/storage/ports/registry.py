"""What distribution needs of a model registry."""

from collections.abc import Mapping
from typing import Protocol

from tinysphere.domain.models import Bundle

CANDIDATE = "candidate"
CHAMPION = "champion"
PREVIOUS = "previous"


class ModelRegistry(Protocol):
    """Numbers model versions and keeps aliases. Every method may raise UnavailableError, REGISTRY_UNAVAILABLE."""

    def register(self, bundle: Bundle) -> int:
        """Register a bundle and point the alias "candidate" at it, unless that points at a newer version.

        Idempotent by model name and digest, also after a crash in the middle.

        Returns:
            Its version, from 1.
        """

    def aliases(self, model_name: str) -> Mapping[str, int]:
        """Versions by alias; empty for an unknown model."""

    def promote(self, model_name: str, version: int) -> None:
        """Point "champion" at a version and "previous" at the champion before. Repeating changes nothing."""
