"""LOGS: to the log that can be searched."""

from dataclasses import replace
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
    records = chain.from_iterable(read_log_records(file) for _, file in step.files)
    for batch in batches(islice(records, count, None), max_count=BATCH_SIZE):
        step.keep_alive()
        placed = [replace(record, log_time=place(record.log_time)) for record in batch]
        sinks.telemetry.add_logs(step.package, count, placed)
        count += len(batch)
    return count
