"""DRIFT_EVENTS: to the drift service."""

from tinysphere.ingestion.convert.records import read_drift_events
from tinysphere.ingestion.transformers.records import reporting

MAX_EVENTS = 100

transform_drift_events = reporting(
    read_drift_events, lambda sink, batch: sink.report_drift_events(batch), max_count=MAX_EVENTS
)
