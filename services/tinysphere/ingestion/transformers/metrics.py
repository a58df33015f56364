"""METRICS: to the time series."""

from itertools import chain, islice

from tinysphere.domain.telemetry import placing
from tinysphere.ingestion.convert.records import read_metric_points
from tinysphere.ingestion.transformers.batches import batches
from tinysphere.ingestion.transformers.step import Sinks, Step

BATCH_SIZE = 10_000


def transform_metrics(step: Step, sinks: Sinks) -> int:
    """Keep every point that was not taken yet; see `Transformer`."""
    count = step.taken_count
    place = placing(step.package.create_time, step.receive_time)
    points = chain.from_iterable(read_metric_points(file, place) for _, file in step.files)
    for batch in batches(islice(points, count, None), max_count=BATCH_SIZE):
        step.keep_alive()
        sinks.telemetry.add_metrics(step.package, count, batch)
        count += len(batch)
    return count
