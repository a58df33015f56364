"""METRICS: to the table of metric points."""

from itertools import chain

from tinysphere.ingestion.convert.records import read_metric_points
from tinysphere.ingestion.transformers.batches import batches
from tinysphere.ingestion.transformers.step import Sinks, Step

BATCH_SIZE = 1000


def transform_metrics(step: Step, sinks: Sinks) -> int:
    """Keep every point under its index among the package's points; see `Transformer`."""
    count = 0
    points = chain.from_iterable(read_metric_points(file) for _, file in step.files)
    for batch in batches(points, max_count=BATCH_SIZE):
        step.keep_alive()
        sinks.records.add_metrics(step.package, dict(enumerate(batch, start=count)))
        count += len(batch)
    return count
