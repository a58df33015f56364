"""Judged samples from the contract's messages."""

import numpy as np

from tinymlops.v1 import drift_pb2
from tinysphere.domain.drift import Decision, ImageFormat
from tinysphere.operating.convert.moments import read_moment
from tinysphere.operating.export.records import JudgedSample
from tinysphere.rpc.checks import require_id, require_sha256
from tinysphere.rpc.nouns import read_enum, read_model_reference, read_optional_enum


def read_judged_sample(message: drift_pb2.Sample) -> JudgedSample:
    """The record of a message.

    Raises:
        InvalidFieldError: A field breaks its stated limit; ids become names of files, so they are not trusted.
    """
    require_sha256("embedding.feature_space", message.embedding.feature_space)
    return JudgedSample(
        sample_id=require_id("sample_id", message.sample_id),
        device_id=message.device_id,
        drift_event_id=message.drift_event_id,
        model=read_model_reference("model", message.model),
        capture_time=read_moment(message.capture_time),
        predicted_label=message.predicted_label,
        confidence=message.confidence,
        decision=read_enum("judged_decision", message.judged_decision, drift_pb2.Decision, Decision),
        label=message.judged_label,
        embedding=np.frombuffer(message.embedding.values, dtype="<f4"),
        image_format=read_optional_enum(
            "image_format", message.image_format, drift_pb2.ImageFormat, ImageFormat
        ),
    )
