"""A model at work: the pipeline made from one bundle, with its own snapshots."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinylcm.adapters.bundle import Bundle
from tinylcm.adapters.png import NoImages, PngEncoder
from tinylcm.adapters.snapshots import SnapshotFolder
from tinylcm.adapters.tflite import TfliteExtractor
from tinylcm.core.adapt.quarantine import Quarantine
from tinylcm.core.drift.calibration import build_monitor
from tinylcm.errors import BundleError
from tinylcm.pipeline.adaptive import AdaptivePipeline
from tinylcm.pipeline.adaptive_settings import AdaptiveSettings
from tinylcm.pipeline.inference import InferencePipeline
from tinylcm.pipeline.learned import LearnedState
from tinylcm.ports import Clock, Worker
from tinylcm.records import Mode, ModelReference
from tinylcm.settings import Settings


@dataclass(slots=True, kw_only=True)
class Engine:
    """One bundle's pipeline and where its states are kept."""

    model: ModelReference
    input_shape: tuple[int, ...]
    pipeline: AdaptivePipeline
    quarantine: Quarantine
    snapshots: SnapshotFolder


EngineFactory = Callable[[Bundle, int, Mode], Engine]


def reference(bundle: Bundle, version: int) -> ModelReference:
    """How a bundle is spoken of; ``version`` is the server's, 0 for one that was installed by hand."""
    return ModelReference(
        model_name=bundle.manifest.model_name if version else "",
        version=version,
        bundle_sha256=bundle.bundle_sha256,
        feature_space=bundle.manifest.feature_space,
    )


def engine_factory(
    settings: Settings, clock: Clock, snapshot_folder: Path, worker: Worker | None = None
) -> EngineFactory:
    """Returns what makes an engine from a bundle, its version at the server, and a mode.

    Its adaptations are computed by ``worker`` beside the frames, or without one while frames wait.

    Making one raises BundleError when the TFLite engine refuses the model or is another than the bundle was made
    with, StateError when its state is damaged.
    """

    def make(bundle: Bundle, version: int, mode: Mode) -> Engine:
        model = reference(bundle, version)
        bounds = settings.adaptation
        quarantine = Quarantine(
            capacity=bounds.quarantine_sample_count, capacity_bytes=bounds.quarantine_max_bytes
        )
        return Engine(
            model=model,
            input_shape=bundle.manifest.input_shape,
            pipeline=_pipeline(bundle, model, mode, quarantine, settings, clock, worker),
            quarantine=quarantine,
            snapshots=SnapshotFolder(
                snapshot_folder / bundle.bundle_sha256[:16], keep_count=settings.snapshots.keep_count
            ),
        )

    return make


def _pipeline(
    bundle: Bundle,
    model: ModelReference,
    mode: Mode,
    quarantine: Quarantine,
    settings: Settings,
    clock: Clock,
    worker: Worker | None,
) -> AdaptivePipeline:
    extractor = TfliteExtractor(bundle.extractor, thread_count=settings.model.thread_count)
    if extractor.engine != bundle.manifest.engine:  # the system was upgraded since the bundle was installed
        raise BundleError(f"made with {bundle.manifest.runtime}; this device runs {extractor.runtime}")
    learned = LearnedState.from_parts(bundle.meta, bundle.arrays)
    return AdaptivePipeline(
        InferencePipeline(extractor, learned),
        build_monitor(learned.calibration),
        quarantine,
        model=model,
        mode=mode,
        clock=clock,
        image_encoder=PngEncoder() if settings.adaptation.send_images else NoImages(),
        settings=AdaptiveSettings(
            evidence_sample_count=settings.adaptation.evidence_sample_count,
            collect_sample_count=settings.adaptation.collect_sample_count,
        ),
        worker=worker,
    )
