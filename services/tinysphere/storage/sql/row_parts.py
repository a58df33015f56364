"""What the rows of several tables share: models and effects."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.devices import ModelReference
from tinysphere.domain.drift import Embedding
from tinysphere.domain.feedback import AdaptationEffect

Row = dict[str, Any]


def effect_json(effect: AdaptationEffect) -> Row:
    """As JSON: it is shown whole and never searched."""
    return {**asdict(effect), "commit_time": effect.commit_time.astimezone(UTC).isoformat()}


def effect_from(content: Row) -> AdaptationEffect:
    """From `effect_json`; figures that were not measured when it was written keep their defaults."""
    return AdaptationEffect(**{**content, "commit_time": datetime.fromisoformat(content["commit_time"])})


def model_columns(model: ModelReference) -> Row:
    """The columns of a model reference."""
    return {
        "model_name": model.model_name,
        "model_version": model.version,
        "bundle_sha256": model.bundle_sha256,
        "feature_space": model.feature_space,
    }


def model_from(row: sa.RowMapping) -> ModelReference:
    """From `model_columns`."""
    return ModelReference(
        model_name=row["model_name"],
        version=row["model_version"],
        bundle_sha256=row["bundle_sha256"],
        feature_space=row["feature_space"],
    )


def attributes(record: object, names: tuple[str, ...]) -> Row:
    """These attributes of a record, by name."""
    return {name: getattr(record, name) for name in names}


def embedding_from(row: sa.RowMapping) -> Embedding:
    """From the columns of a sample's vector."""
    return Embedding(
        values=bytes(row["embedding"]),
        dimension_count=row["dimension_count"],
        feature_space=row["feature_space"],
    )
