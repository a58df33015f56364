"""One transformer per kind of entry. A new one is a file here, and a line below."""

from collections.abc import Mapping, Sequence

from tinysphere.domain.packages import EntryKind, Manifest
from tinysphere.ingestion.transformers.adaptations import transform_adaptations
from tinysphere.ingestion.transformers.drift_events import transform_drift_events
from tinysphere.ingestion.transformers.files import transform_files
from tinysphere.ingestion.transformers.logs import transform_logs
from tinysphere.ingestion.transformers.metrics import transform_metrics
from tinysphere.ingestion.transformers.samples import transform_samples
from tinysphere.ingestion.transformers.step import Transformer

# Lanes run beside each other, each with what it waits for; the steps of a lane in their order.
LANES: Sequence[Mapping[EntryKind, Transformer]] = (
    {  # the drift service
        EntryKind.DRIFT_EVENTS: transform_drift_events,
        EntryKind.SAMPLES: transform_samples,
        EntryKind.ADAPTATIONS: transform_adaptations,
    },
    {  # the database
        EntryKind.METRICS: transform_metrics,
        EntryKind.LOGS: transform_logs,
    },
    {  # the blob store
        EntryKind.PREDICTION_IMAGES: transform_files,
        EntryKind.MODEL_STATE: transform_files,
    },
)

TRANSFORMERS: Mapping[EntryKind, Transformer] = {
    kind: transformer for lane in LANES for kind, transformer in lane.items()
}


def kinds_of(manifest: Manifest) -> list[EntryKind]:
    """The kinds that an archive holds, in the order of processing."""
    found = {entry.kind for entry in manifest.entries}
    return [kind for kind in TRANSFORMERS if kind in found]
