"""Model bundles and the versions they were registered as: frozen facts. Datetimes are aware UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tinysphere.domain.devices import ModelReference


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTensor:
    """One frame as the extractor takes it, without the batch dimension, e.g. ``(28, 28, 1)`` of "uint8"."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle whose signature and digests were verified.

    Attributes:
        sha256: Digest of the bundle file.
        size_bytes: Size of the bundle file.
        model_name: Registered model the publisher signed it for.
        release_counter: Devices refuse a lower one than they have seen.
        feature_space: Digest of the extractor model inside.
        signing_key_id: First 16 hex digits of the SHA-256 of the raw public key.
        class_names: Names the classifier starts with, in order.
        input: What the extractor takes.
        runtime: Runtime the reference state was computed with, e.g. "ai-edge-litert 2.3.0".
        platforms: Machines (`uname -m`) it is meant for; empty for any.
        metrics: Finite figures, e.g. "holdout_accuracy".
        manifest: The manifest as it was signed.
    """

    sha256: str
    size_bytes: int
    model_name: str
    release_counter: int
    feature_space: str
    signing_key_id: str
    class_names: tuple[str, ...]
    input: InputTensor
    runtime: str
    platforms: tuple[str, ...]
    metrics: Mapping[str, float]
    manifest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One published version of a model.

    Attributes:
        model: Name, version, digest and feature space.
        aliases: Registry aliases that point at it, in the order of their names.
        publish_time: When it was published.
    """

    model: ModelReference
    size_bytes: int
    release_counter: int
    signing_key_id: str
    class_names: tuple[str, ...]
    metrics: Mapping[str, float]
    publish_time: datetime
    aliases: tuple[str, ...] = ()


def model_version_of(bundle: Bundle, version: int, publish_time: datetime) -> ModelVersion:
    """The version that ``bundle`` becomes; ``version`` 0 while the registry has not given one."""
    return ModelVersion(
        model=ModelReference(
            model_name=bundle.model_name,
            version=version,
            bundle_sha256=bundle.sha256,
            feature_space=bundle.feature_space,
        ),
        size_bytes=bundle.size_bytes,
        release_counter=bundle.release_counter,
        signing_key_id=bundle.signing_key_id,
        class_names=bundle.class_names,
        metrics=bundle.metrics,
        publish_time=publish_time,
    )
