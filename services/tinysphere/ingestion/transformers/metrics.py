"""METRICS: to the time series."""

from tinysphere.ingestion.convert.records import read_metric_points
from tinysphere.ingestion.transformers.records import keeping

BATCH_SIZE = 10_000

transform_metrics = keeping(
    read_metric_points,
    lambda sink, package, count, batch: sink.add_metrics(package, count, batch),
    batch_size=BATCH_SIZE,
)
