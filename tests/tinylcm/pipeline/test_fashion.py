"""The promise on real images and the real engine: sixty labels teach a class, or mend a camera."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from demo.corruptions import CORRUPTIONS
from demo.dataset import Subset, load_subset
from tests.tinylcm.builders import HandClock
from tinylcm.adapters.png import PngEncoder
from tinylcm.adapters.tflite import TfliteExtractor
from tinylcm.core.adapt.quarantine import Quarantine
from tinylcm.core.drift.calibration import build_monitor
from tinylcm.pipeline.adaptive import AdaptivePipeline
from tinylcm.pipeline.inference import InferencePipeline
from tinylcm.pipeline.learned import LearnedState, learn
from tinylcm.records import Decision, FeedbackItem, FeedbackOutcome, Frame, Mode, ModelReference, Sample

MODEL_PATH = Path(__file__).resolve().parents[3] / "models" / "fashion_cnn" / "model.tflite"
BAG, TROUSER = 8, 1
LABEL_BUDGET = 60

Images = NDArray[np.uint8]
Numbers = NDArray[np.uint8]


@pytest.fixture(scope="module")
def subset() -> Subset:
    return load_subset()


@pytest.fixture(scope="module")
def extractor() -> TfliteExtractor:
    return TfliteExtractor(MODEL_PATH.read_bytes())


@pytest.fixture(scope="module")
def learned(subset: Subset, extractor: TfliteExtractor) -> LearnedState:
    images, numbers = subset.split("reference")
    return learn(
        np.stack([extractor.extract(image[..., None]) for image in images]),
        [subset.class_names[number] for number in numbers],
        capacity=1500,
        rng=np.random.default_rng(0),
        runtime=extractor.runtime,
    )


class Device:
    """A pipeline on the real model, and a reviewer who knows the truth."""

    def __init__(
        self, extractor: TfliteExtractor, learned: LearnedState, class_names: tuple[str, ...]
    ) -> None:
        self.class_names = class_names
        self.known = learned.class_names
        self.clock = HandClock()
        self.truth: list[str] = []
        self.samples: list[Sample] = []
        self.extractor = extractor
        self.pipeline = AdaptivePipeline(
            InferencePipeline(extractor, learned),
            build_monitor(learned.calibration),
            Quarantine(),
            model=ModelReference(
                model_name="", version=0, bundle_sha256="ab" * 32, feature_space=extractor.feature_space
            ),
            mode=Mode.VALIDATED_LEARNING,
            clock=self.clock,
            image_encoder=PngEncoder(),
        )

    def see(self, images: Images, numbers: Numbers) -> None:
        for image, number in zip(images, numbers, strict=True):
            frame = Frame(
                source_index=len(self.truth), capture_time=self.clock.now(), content=image[..., None]
            )
            self.truth.append(self.class_names[number])
            samples = self.pipeline.process(frame).samples
            self.samples += [sample for sample in samples if sample.drift_event_id]

    def judgements(self) -> list[FeedbackItem]:
        return [
            self._judge(sequence, sample)
            for sequence, sample in enumerate(self.samples[:LABEL_BUDGET], start=1)
        ]

    def accuracy(self, images: Images, numbers: Numbers) -> float:
        learned = self.pipeline.learned
        points = [learned.projection.apply(self.extractor.extract(image[..., None])) for image in images]
        names = [self.class_names[number] for number in numbers]
        return float(
            np.mean([learned.knn.predict(p).label == name for p, name in zip(points, names, strict=True)])
        )

    def _judge(self, sequence: int, sample: Sample) -> FeedbackItem:
        label = self.truth[sample.observation.source_index]
        if label not in self.known:
            decision = Decision.NEW_LABEL
        elif label == sample.observation.prediction.label:
            decision, label = Decision.NOT_DRIFT, ""
        else:
            decision = Decision.CONFIRMED_LABEL
        return FeedbackItem(
            feedback_id=f"feedback-{sequence}",
            sequence=sequence,
            sample_id=sample.sample_id,
            drift_event_id=sample.drift_event_id,
            decision=decision,
            label=label,
            embedding=sample.observation.embedding,
            feature_space=self.extractor.feature_space,
        )


@pytest.fixture
def device(extractor: TfliteExtractor, learned: LearnedState, subset: Subset) -> Device:
    return Device(extractor, learned, subset.class_names)


def known_images(subset: Subset, split: str, count: int) -> tuple[Images, Numbers]:
    images, numbers = subset.split(split)
    known = ~np.isin(numbers, (BAG, TROUSER))
    return images[known][:count], numbers[known][:count]


def test_sixty_labels_teach_a_class_the_model_never_saw(device: Device, subset: Subset) -> None:
    images, numbers = subset.split("holdout")
    bags, known = (images[numbers == BAG], numbers[numbers == BAG]), known_images(subset, "holdout", 800)
    known_before = device.accuracy(*known)
    assert device.accuracy(*bags) == 0.0

    device.see(*known_images(subset, "calibration", 200))
    assert not device.samples
    device.see(*_a_third_bags(subset))
    result = device.pipeline.apply_feedback(device.judgements())

    assert {answer.outcome for answer in result.acknowledgements} == {FeedbackOutcome.APPLIED}
    assert len(result.acknowledgements) <= LABEL_BUDGET
    assert device.accuracy(*bags) > 0.75
    assert device.accuracy(*known) >= known_before - 0.02


def _a_third_bags(subset: Subset) -> tuple[Images, Numbers]:
    images, numbers = subset.split("stream")
    bags = np.flatnonzero(numbers == BAG)[:90]
    others = np.flatnonzero(~np.isin(numbers, (BAG, TROUSER)))[:210]
    order = np.random.default_rng(1).permutation(np.concatenate((bags, others)))
    return images[order], numbers[order]


@pytest.mark.parametrize(
    ("corruption", "least_gain"), [("noise3", 0.12), ("contrast1", 0.06), ("shift3", 0.08)]
)
def test_sixty_labels_mend_a_camera(
    device: Device, subset: Subset, corruption: str, least_gain: float
) -> None:
    corrupt, rng = CORRUPTIONS[corruption], np.random.default_rng(2)
    images, numbers = known_images(subset, "holdout", 800)
    test = corrupt(images, rng), numbers
    before = device.accuracy(*test)

    device.see(*known_images(subset, "calibration", 200))
    images, numbers = known_images(subset, "stream", 300)
    device.see(corrupt(images, rng), numbers)
    result = device.pipeline.apply_feedback(device.judgements())

    assert {answer.outcome for answer in result.acknowledgements} == {FeedbackOutcome.APPLIED}
    assert device.accuracy(*test) >= before + least_gain
