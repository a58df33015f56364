"""LOGS: to the log that can be searched."""

from tinysphere.ingestion.convert.records import read_log_records
from tinysphere.ingestion.transformers.records import keeping

BATCH_SIZE = 1000

transform_logs = keeping(
    read_log_records,
    lambda sink, package, count, batch: sink.add_logs(package, count, batch),
    batch_size=BATCH_SIZE,
)
