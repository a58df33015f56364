"""Records and real signed bundles for the tests of distribution."""

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from numpy.typing import NDArray

from tinylcm.adapters.bundle import Release, build_bundle
from tinysphere.distribution.keys import key_id_of
from tinysphere.domain.devices import ModelReference
from tinysphere.domain.models import Bundle, InputTensor, ModelVersion
from tinysphere.domain.rollouts import Deployment, DeploymentState, Rollout, RolloutState

START = datetime(2026, 11, 2, 9, 30, 0, 123456, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"the release key of the tests").digest())
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"somebody else's key").digest())
KEY_ID = key_id_of(KEY.public_key())
TRUSTED = {KEY_ID: KEY.public_key()}

Change = Mapping[str, Any]


class HandClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment

    def forward(self, duration: timedelta) -> None:
        self.moment += duration


def public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def uuid(number: int) -> str:
    return f"01930000-0000-7000-8000-{number:012d}"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def model(version: int = 1, model_name: str = "fashion") -> ModelReference:
    return ModelReference(
        model_name=model_name,
        version=version,
        bundle_sha256=digest(f"{model_name} {version}"),
        feature_space=digest("extractor"),
    )


def model_version(version: int = 1, model_name: str = "fashion") -> ModelVersion:
    return ModelVersion(
        model=model(version, model_name),
        size_bytes=1000 + version,
        release_counter=10 + version,
        signing_key_id=KEY_ID,
        class_names=("shirt", "sneaker"),
        metrics={"holdout_accuracy": 0.875},
        publish_time=START + timedelta(seconds=version),
    )


def rollout(
    number: int,
    *,
    start_revision: int = 0,
    state: RolloutState = RolloutState.RUNNING,
    target_labels: Mapping[str, str] | None = None,
) -> Rollout:
    return Rollout(
        rollout_id=uuid(number),
        model=model(number),
        size_bytes=1000 + number,
        target_labels=target_labels or {},
        state=state,
        revision=number,
        start_revision=start_revision,
        operator="ada",
        create_time=START + timedelta(seconds=number),
    )


ROLLOUT = rollout(1, start_revision=1)


def deployment(of: Rollout, state: DeploymentState, device_id: str = "camera-1") -> Deployment:
    return Deployment(rollout_id=of.rollout_id, device_id=device_id, state=state, report_time=START)


def device_bundle(
    folder: Path, release_counter: int = 1, model_name: str = "fashion", padding_bytes: int = 0
) -> bytes:
    """A bundle as the device's own code builds and signs it, around a real TFLite file."""
    extractor = Path(__file__).parents[3] / "models" / "fashion_cnn" / "model.tflite"
    release = Release(
        model_name=model_name,
        release_counter=release_counter,
        class_names=["shirt", "sneaker"],
        input_shape=[28, 28, 1],
        input_dtype="uint8",
        runtime="ai-edge-litert 2.3.0",
        platforms=["x86_64", "aarch64"],
        metrics={"reference_accuracy": 0.875},
    )
    arrays: dict[str, NDArray[np.generic]] = {
        "padding": np.zeros(padding_bytes, np.uint8),
        "points": np.full((4, 2), release_counter, np.float32),
    }
    path = folder / f"{model_name}-{release_counter}.bundle"
    build_bundle(
        path, release, extractor=extractor.read_bytes(), meta={"dimension": 2}, arrays=arrays, key=KEY
    )
    return path.read_bytes()


CONTENT = {"extractor.tflite": b"TFL3 extractor", "state.json": b"{}", "state.npz": b"PK arrays"}


def manifest(**changes: Any) -> dict[str, Any]:
    """A good manifest of `CONTENT`; None takes a field out."""
    good = {
        "format_version": 1,
        "model_name": "fashion",
        "release_counter": 3,
        "feature_space": hashlib.sha256(CONTENT["extractor.tflite"]).hexdigest(),
        "class_names": ["shirt", "sneaker"],
        "input": {"shape": [28, 28, 1], "dtype": "uint8"},
        "runtime": "ai-edge-litert 2.3.0",
        "platforms": [],
        "metrics": {"holdout_accuracy": 0.875},
        "files": {name: described(content) for name, content in CONTENT.items()},
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def described(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}


def signed_members(
    stated: Any = None, *, key: Ed25519PrivateKey = KEY, key_id: str | None = None
) -> dict[str, bytes]:
    """The five members of a bundle whose manifest says ``stated``, truly signed by ``key``."""
    content = stated if isinstance(stated, bytes) else json.dumps(stated or manifest()).encode()
    signature = {
        "key_id": key_id or key_id_of(key.public_key()),
        "signature": base64.b64encode(key.sign(content)).decode(),
    }
    return {"manifest.json": content, "signature.json": json.dumps(signature).encode(), **CONTENT}


def tar_of(members: Mapping[str, bytes], *, tar_format: int = tarfile.USTAR_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def bundle(number: int = 1, *, model_name: str = "fashion") -> Bundle:
    """A verified bundle's facts; equal numbers are equal bundles."""
    return Bundle(
        sha256=digest(f"{model_name} {number}"),
        size_bytes=1000 + number,
        model_name=model_name,
        release_counter=number,
        feature_space=digest("extractor"),
        signing_key_id=KEY_ID,
        class_names=("shirt", "sneaker"),
        input=InputTensor(shape=(28, 28, 1), dtype="uint8"),
        runtime="ai-edge-litert 2.3.0",
        platforms=(),
        metrics={"holdout_accuracy": 0.875},
        manifest=json.dumps(manifest(model_name=model_name, release_counter=number)).encode(),
    )
