"""SAMPLES: to the drift service."""

from tinysphere.ingestion.convert.records import read_samples
from tinysphere.ingestion.transformers.records import reporting

MAX_SAMPLES = 500

transform_samples = reporting(
    read_samples, lambda sink, batch: sink.report_samples(batch), max_count=MAX_SAMPLES
)
