"""One Parquet file, a row for each sample, pictures and embeddings in it."""

from pathlib import Path
from types import ModuleType
from typing import Any

from tinysphere.errors import PreconditionError
from tinysphere.operating.export.folder import described
from tinysphere.operating.export.records import JudgedSample
from tinysphere.operating.export.staging import FetchPicture

ROWS = 200  # of a row group: pictures have up to 1 MiB each


class ParquetTarget:
    """Takes samples one by one and holds one row group of them."""

    def __init__(self, path: Path, fetch: FetchPicture) -> None:
        self._arrow, parquet = _libraries()
        self._schema = _schema(self._arrow)
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._fetch = fetch
        self._rows: list[dict[str, Any]] = []

    def add(self, sample: JudgedSample) -> None:
        """Write one row."""
        picture = self._fetch(sample.sample_id) if sample.image_format else None
        row = described(sample) | {
            "capture_time": sample.capture_time,
            "image_format": sample.image_format.value if sample.image_format else None,
            "image": picture,
            "embedding": sample.embedding,
        }
        self._rows.append(row)
        if len(self._rows) >= ROWS:
            self._flush()

    def finish(self) -> None:
        """Write the last rows and the file's footer."""
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Close what is open."""
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []


def _schema(arrow: ModuleType) -> Any:
    names = ("sample_id", "label", "decision", "predicted_label", "device_id", "drift_event_id")
    return arrow.schema(
        [
            *((name, arrow.string()) for name in names),
            ("confidence", arrow.float64()),
            ("capture_time", arrow.timestamp("us", tz="UTC")),
            ("model_name", arrow.string()),
            ("model_version", arrow.int64()),
            ("bundle_sha256", arrow.string()),
            ("feature_space", arrow.string()),
            ("image_format", arrow.string()),
            ("image", arrow.binary()),
            ("embedding", arrow.list_(arrow.float32())),
        ]
    )


def _libraries() -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise PreconditionError(
            "PYARROW_MISSING", "--format parquet: install the extra, tinymlops[server,export]"
        ) from error
    return pyarrow, pyarrow.parquet
