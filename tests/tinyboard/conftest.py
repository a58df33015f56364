"""The services the dashboard asks, real and in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.processes import free_address
from tinysphere.bootstrap import Services
from tinysphere.settings import Settings


@pytest.fixture(autouse=True)
def kept_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit's test runner leaves its script behind as the main module, which whoever spawns would run again."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Where the services listen."""

    ingestion: str
    drift: str
    distribution: str


@pytest.fixture(scope="session")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Targets]:
    """Ingestion and drift over an empty database; nobody listens for distribution."""
    found = Targets(ingestion=free_address(), drift=free_address(), distribution=free_address())
    settings = Settings(
        data_dir=Path(tmp_path_factory.mktemp("server")),
        ingestion_address=found.ingestion,
        drift_address=found.drift,
        stop_grace_s=1.0,
    )
    services = Services(settings, {"ingestion", "drift"})
    services.start()
    yield found
    services.stop()
