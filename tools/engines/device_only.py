"""Fits, installs, runs and asks a device that has base and [edge] only. Called by `run_device_only`."""

from __future__ import annotations

import importlib.util
import json
import pkgutil
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np

NOT_ON_A_DEVICE = (
    *("alembic", "cv2", "faiss", "grpc_tools", "hypothesis", "minio", "mlflow", "pandas", "PIL", "plotly"),
    *("psycopg2", "pydantic", "pytest", "river", "sklearn", "scipy", "sqlalchemy", "streamlit", "typer"),
)
REFERENCE_COUNT, STREAM_COUNT = 600, 100
TINYLCM = str(Path(sys.executable).with_name("tinylcm"))


def check_imports() -> int:
    """Imports every module of the device; nothing of server, dashboard and development can be."""
    found = [name for name in NOT_ON_A_DEVICE if importlib.util.find_spec(name)]
    assert not found, f"a device must not carry {', '.join(found)}"
    package = import_module("tinylcm")
    names = [module.name for module in pkgutil.walk_packages(package.__path__, "tinylcm.")]
    for name in names:
        if not name.endswith("__main__"):
            import_module(name)
    return len(names)


def tinylcm(*words: object) -> str:
    """Runs the installed command and returns what it prints."""
    command = [TINYLCM, *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=300).stdout


def run_device(repository: Path) -> dict[str, object]:
    """From labelled pictures to predictions, as docs/device.md tells it."""
    with np.load(repository / "data" / "fashion_mnist" / "subset.npz", allow_pickle=False) as stored:
        images, labels = stored["images"], stored["class_names"].astype(str)[stored["labels"]]
    np.savez("reference.npz", images=images[:REFERENCE_COUNT], labels=labels[:REFERENCE_COUNT])
    extractor = repository / "models" / "fashion_cnn" / "model.tflite"
    tinylcm("bundle", "keygen", "--private", "key.pem", "--public", "pub.pem")
    tinylcm(
        *("fit", "--images", "reference.npz", "--extractor", extractor, "--name", "fashion"),
        *("--key", "key.pem", "--out", "fashion.bundle"),
    )
    tinylcm("init", "--config", "tinylcm.toml", "--device-id", "bare-device")
    config = Path("tinylcm.toml")
    text = config.read_text().replace("trusted_keys = []", 'trusted_keys = ["pub.pem"]')
    config.write_text(text.replace('at_end = "wait"', 'at_end = "stop"'))
    tinylcm("init", "--config", config, "--bundle", "fashion.bundle")
    np.savez("inbox/1.npz", images=images[REFERENCE_COUNT : REFERENCE_COUNT + STREAM_COUNT])
    tinylcm("run", "--config", config, "--until-idle")
    told = [json.loads(line)["label"] for line in Path("state/predictions.jsonl").read_text().splitlines()]
    assert len(told) == STREAM_COUNT, f"{len(told)} predictions of {STREAM_COUNT} frames"
    status = json.loads(tinylcm("status", "--config", config))
    assert status["snapshot"]["next_index"] == STREAM_COUNT
    right = int((np.array(told) == labels[REFERENCE_COUNT : REFERENCE_COUNT + STREAM_COUNT]).sum())
    assert right > 0.7 * STREAM_COUNT
    return {"prediction_count": len(told), "right_count": right}


def main(repository: Path) -> None:
    """Prints one line of JSON."""
    assert shutil.which("tinylcm", path=str(Path(TINYLCM).parent))
    print(json.dumps({"module_count": check_imports()} | run_device(repository), sort_keys=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
