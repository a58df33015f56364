"""LOGS: to the table of log records."""

from itertools import chain

from tinysphere.ingestion.convert.records import read_log_records
from tinysphere.ingestion.transformers.batches import batches
from tinysphere.ingestion.transformers.step import Sinks, Step

BATCH_SIZE = 500


def transform_logs(step: Step, sinks: Sinks) -> int:
    """Keep every record under its index among the package's records; see `Transformer`."""
    count = 0
    records = chain.from_iterable(read_log_records(file) for _, file in step.files)
    for batch in batches(records, max_count=BATCH_SIZE):
        step.keep_alive()
        sinks.records.add_logs(step.package, dict(enumerate(batch, start=count)))
        count += len(batch)
    return count
