"""LOGS: to the log that can be searched."""

from itertools import chain, islice

from tinysphere.domain.telemetry import placing
from tinysphere.ingestion.convert.records import read_log_records
from tinysphere.ingestion.transformers.batches import batches
from tinysphere.ingestion.transformers.step import Sinks, Step

BATCH_SIZE = 1000


def transform_logs(step: Step, sinks: Sinks) -> int:
    """Keep every record that was not taken yet; see `Transformer`."""
    count = step.taken_count
    place = placing(step.package.create_time, step.receive_time)
    records = chain.from_iterable(read_log_records(file, place) for _, file in step.files)
    for batch in batches(islice(records, count, None), max_count=BATCH_SIZE):
        step.keep_alive()
        sinks.telemetry.add_logs(step.package, count, batch)
        count += len(batch)
    return count
