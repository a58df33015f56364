"""Messages of ModelService to the domain's records and back; every field is checked here."""

from tinymlops.v1 import model_pb2, model_service_pb2
from tinysphere.distribution.manifest import MODEL_NAME
from tinysphere.distribution.publishing import Announcement
from tinysphere.domain.models import ModelVersion
from tinysphere.rpc import checks, nouns

MAX_VERSION = 2**63 - 1


def read_model_name(field: str, value: str) -> str:
    """1 to 64 characters of [a-z0-9_-]."""
    return checks.require_pattern(field, value, MODEL_NAME, "1 to 64 characters of [a-z0-9_-]")


def read_version(field: str, value: int) -> int | None:
    """A version from 1; None for 0, the newest."""
    return checks.require_range(field, value, 0, MAX_VERSION) or None


def read_announcement(header: model_service_pb2.PublishHeader) -> Announcement:
    """What a publisher says of its bundle."""
    return Announcement(
        model_name=read_model_name("header.model_name", header.model_name),
        bundle_sha256=checks.require_sha256("header.bundle_sha256", header.bundle_sha256),
        size_bytes=checks.require_range("header.size_bytes", header.size_bytes, 1, MAX_VERSION),
    )


def version_message(version: ModelVersion) -> model_pb2.ModelVersion:
    """A published version."""
    return model_pb2.ModelVersion(
        model=nouns.model_reference(version.model),
        size_bytes=version.size_bytes,
        release_counter=version.release_counter,
        signing_key_id=version.signing_key_id,
        class_names=version.class_names,
        metrics=version.metrics,
        aliases=version.aliases,
        publish_time=nouns.to_timestamp(version.publish_time),
    )
