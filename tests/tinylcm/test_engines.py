"""Which TFLite engine `pip install tinymlops[edge]` brings to which machine."""

from __future__ import annotations

import pytest

from tools.engines.requirements import requirements_of


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_most_machines_get_litert(machine: str) -> None:
    names = " ".join(requirements_of(machine))

    assert "ai-edge-litert" in names
    assert "tflite-runtime" not in names


def test_armv7_has_no_litert_and_gets_its_predecessor_with_the_numpy_that_it_knows() -> None:
    chosen = requirements_of("armv7l")

    assert {"tflite-runtime==2.14.0", "numpy<2"} <= set(chosen)
    assert not any(requirement.startswith("ai-edge-litert") for requirement in chosen)
