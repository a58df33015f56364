"""ModelService through real gRPC: what its comments promise."""

from pathlib import Path

from mlflow.tracking import MlflowClient

from tests.support.refusals import refused
from tests.tinysphere.distribution.builders import (
    KEY_ID,
    OTHER_KEY,
    device_bundle,
    manifest,
    signed_members,
    tar_of,
)
from tests.tinysphere.distribution.called import Called, publish_messages
from tinymlops.v1 import model_service_pb2 as wire


def small_bundle(model_name: str = "fashion", release_counter: int = 1) -> bytes:
    return tar_of(signed_members(manifest(model_name=model_name, release_counter=release_counter)))


def list_versions(called: Called, size: int, token: str = "") -> wire.ListModelVersionsResponse:
    request = wire.ListModelVersionsRequest(model_name="fashion", page_size=size, page_token=token)
    return called.models.ListModelVersions(request)


def list_models(called: Called, size: int, token: str = "") -> wire.ListModelsResponse:
    return called.models.ListModels(wire.ListModelsRequest(page_size=size, page_token=token))


def test_a_published_bundle_is_shown_with_its_facts(called: Called, tmp_path: Path) -> None:
    content = device_bundle(tmp_path, release_counter=5)
    published = called.publish(content)
    assert published.model.model_name == "fashion"
    assert published.model.version == 1
    assert published.size_bytes == len(content)
    assert published.release_counter == 5
    assert published.signing_key_id == KEY_ID
    assert list(published.class_names) == ["shirt", "sneaker"]
    assert dict(published.metrics) == {"reference_accuracy": 0.875}
    assert list(published.aliases) == ["candidate"]
    assert published.HasField("publish_time")
    for version in (0, 1):
        request = wire.GetModelVersionRequest(model_name="fashion", version=version)
        assert called.models.GetModelVersion(request).model_version == published


def test_publishing_again_returns_the_version(called: Called, tmp_path: Path) -> None:
    content = device_bundle(tmp_path)
    assert called.publish(content) == called.publish(content)


def test_mlflow_holds_the_version(called: Called) -> None:
    published = called.publish(small_bundle())
    mlflow = MlflowClient(tracking_uri=called.settings.mlflow_tracking_uri)
    version = mlflow.get_model_version_by_alias("fashion", "candidate")
    assert version.tags["bundle_sha256"] == published.model.bundle_sha256
    mlflow.set_registered_model_alias("fashion", "golden", "1")
    assert list(called.publish(small_bundle()).aliases) == ["candidate", "golden"]


def test_versions_come_newest_first_in_pages(called: Called) -> None:
    for release_counter in (1, 2, 3):
        called.publish(small_bundle(release_counter=release_counter))
    first = list_versions(called, 2)
    assert [one.model.version for one in first.model_versions] == [3, 2]
    assert [list(one.aliases) for one in first.model_versions] == [["candidate"], []]
    second = list_versions(called, 2, first.next_page_token)
    assert [one.model.version for one in second.model_versions] == [1]
    assert second.next_page_token == ""
    assert list_versions(called, 3).next_page_token == ""


def test_models_come_by_name_in_pages(called: Called) -> None:
    for model_name in ("shoes", "gestures", "fashion"):
        called.publish(small_bundle(model_name), model_name=model_name)
    called.publish(small_bundle("gestures", 2), model_name="gestures")
    first = list_models(called, 2)
    assert [(one.model.model_name, one.model.version) for one in first.latest_versions] == [
        ("fashion", 1),
        ("gestures", 2),
    ]
    second = list_models(called, 2, first.next_page_token)
    assert [one.model.model_name for one in second.latest_versions] == ["shoes"]
    assert second.next_page_token == ""


def test_an_empty_registry_has_no_models(called: Called) -> None:
    assert list_models(called, 0) == wire.ListModelsResponse()


def test_unknown_models_and_versions_are_not_found(called: Called) -> None:
    called.publish(small_bundle())
    unknown = wire.ListModelVersionsRequest(model_name="shoes")
    assert refused(called.models.ListModelVersions, unknown).kind == ("NOT_FOUND", "MODEL_NOT_FOUND")
    for model_name, version in (("shoes", 0), ("fashion", 2)):
        request = wire.GetModelVersionRequest(model_name=model_name, version=version)
        refusal = refused(called.models.GetModelVersion, request)
        assert refusal.kind == ("NOT_FOUND", "MODEL_VERSION_NOT_FOUND")


def test_tokens_of_other_lists_are_refused(called: Called) -> None:
    for release_counter in (1, 2):
        called.publish(small_bundle(release_counter=release_counter))
    token = list_versions(called, 1).next_page_token
    for request in (
        wire.ListModelsRequest(page_token=token),
        wire.ListModelsRequest(page_token="nonsense"),
    ):
        assert refused(called.models.ListModels, request).kind == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")
    other = wire.ListModelVersionsRequest(model_name="shoes", page_token=token)
    refusal = refused(called.models.ListModelVersions, other)
    assert refusal.kind == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


def test_a_bundle_that_is_not_what_was_announced_is_refused(called: Called) -> None:
    content = small_bundle()
    for changes in ({"bundle_sha256": "0" * 64}, {"size_bytes": len(content) + 1}):
        refusal = refused(called.models.PublishModelVersion, iter(publish_messages(content, **changes)))
        assert refusal.kind == ("INVALID_ARGUMENT", "DIGEST_MISMATCH")


def test_an_unsigned_bundle_is_refused(called: Called) -> None:
    refusal = refused(called.publish, tar_of(signed_members(key=OTHER_KEY)))
    assert refusal.kind == ("PERMISSION_DENIED", "BUNDLE_SIGNATURE")
    assert list_models(called, 0) == wire.ListModelsResponse()


def test_what_is_no_bundle_is_refused(called: Called) -> None:
    assert refused(called.publish, b"hello").kind == ("INVALID_ARGUMENT", "BUNDLE_INVALID")


def test_a_bundle_beyond_the_limit_is_refused_before_a_byte_is_sent(called: Called) -> None:
    messages = publish_messages(b"x", size_bytes=256 * 1024 * 1024 + 1)[:1]
    refusal = refused(called.models.PublishModelVersion, iter(messages))
    assert refusal.kind == ("RESOURCE_EXHAUSTED", "BUNDLE_TOO_LARGE")
    assert refusal.retry_after_s is None


def test_streams_that_break_the_order_are_refused(called: Called) -> None:
    header, data = publish_messages(small_bundle())[:2]
    empty = wire.PublishModelVersionRequest(data=b"")
    nothing = wire.PublishModelVersionRequest()
    large = wire.PublishModelVersionRequest(data=bytes(1024 * 1024 + 1))
    for messages, field in (
        ([], "part"),
        ([data], "part"),
        ([nothing], "part"),
        ([header, header], "data"),
        ([header, empty], "data"),
        ([header, nothing], "data"),
        ([header, large], "data"),
    ):
        refusal = refused(called.models.PublishModelVersion, iter(messages))
        assert (refusal.kind, refusal.field) == (("INVALID_ARGUMENT", "INVALID_FIELD"), field)


def test_fields_keep_their_limits(called: Called) -> None:
    for changes, field in (
        ({"model_name": ""}, "header.model_name"),
        ({"model_name": "Fashion"}, "header.model_name"),
        ({"model_name": "../fashion"}, "header.model_name"),
        ({"bundle_sha256": "A" * 64}, "header.bundle_sha256"),
        ({"size_bytes": 0}, "header.size_bytes"),
        ({"size_bytes": -1}, "header.size_bytes"),
    ):
        messages = publish_messages(small_bundle(), **changes)
        refusal = refused(called.models.PublishModelVersion, iter(messages))
        assert (refusal.kind, refusal.field) == (("INVALID_ARGUMENT", "INVALID_FIELD"), field)
    request = wire.GetModelVersionRequest(model_name="fashion", version=-1)
    assert refused(called.models.GetModelVersion, request).field == "version"
    assert refused(called.models.ListModels, wire.ListModelsRequest(page_size=501)).field == "page_size"
