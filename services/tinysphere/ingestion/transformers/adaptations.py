"""ADAPTATIONS: to the drift service."""

from tinysphere.ingestion.convert.records import read_adaptations
from tinysphere.ingestion.transformers.records import reporting

MAX_ADAPTATIONS = 100

transform_adaptations = reporting(
    read_adaptations, lambda sink, batch: sink.report_adaptations(batch), max_count=MAX_ADAPTATIONS
)
