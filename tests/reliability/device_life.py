"""The life of a device in one thread, told so that it can be cut anywhere and gone on with: what a restart does.

Frames with a drift, judgements, a new bundle by rollout and its trial, packages sent, metrics, a mode: everything a
device writes. The server is a folder: a package counts as sent once its bytes are there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.reliability.device_disk import SUFFIX, evidence_counts, evidence_faults, inspect
from tests.tinylcm.builders import labelled_images, novel_images, tiny_model
from tests.tinylcm.daemon.conftest import DeviceFolder, frames_of
from tinylcm.adapters.tflite import TfliteExtractor
from tinylcm.daemon.build import Device
from tinylcm.daemon.inbox import ActivateModel, ApplyFeedback
from tinylcm.daemon.layout import open_slots
from tinylcm.ports import MessageKind
from tinylcm.records import Decision, FeedbackItem
from tinymlops.v1 import feedback_pb2

FRAME_COUNT = 170
_JUDGED_AT, _OFFERED_AT, _SENT_AT = 90, 110, (70, 105, 140)
_ROLLOUT = "rollout-1"


def stream() -> NDArray[np.uint8]:
    """Known pictures, a class that nobody knows, known ones again."""
    return np.concatenate(
        [labelled_images(60, seed=11)[0], novel_images(50), labelled_images(60, seed=12)[0]]
    )


class Life:
    """One start of a device, from wherever its folder stands to the end of the stream."""

    def __init__(self, home: DeviceFolder, next_bundle: Path, sent: Path, *, is_online: bool = True) -> None:
        self._home = home
        self._next_bundle = next_bundle
        self._sent = sent
        self._is_online = is_online
        self._images = stream()

    def forget(self) -> None:
        """Back to a device that never ran."""
        for path in (self._home.state, self._sent):
            shutil.rmtree(path, ignore_errors=True)

    def live(self, *, until: int = FRAME_COUNT) -> None:
        """Installs, starts, sees the frames up to ``until``; at the last one it ends in order."""
        self._sent.mkdir(exist_ok=True)
        if open_slots(self._home.settings()).active() is None:
            self._home.install()
        device = self._home.open()
        if device.first_index > _JUDGED_AT:
            self._judge(device)  # the server hands out again what has no answer yet
        if device.first_index > _OFFERED_AT:
            self._roll_out(device)
        for frame in frames_of(self._images[:until], device, first_index=device.first_index):
            self._at(frame.source_index, device)
            device.inbox.put_frame(frame)
            step(device)
        if until == FRAME_COUNT:
            self._end(device)

    def _at(self, index: int, device: Device) -> None:
        if index == _JUDGED_AT:
            self._judge(device)
        if index == _OFFERED_AT:
            self._roll_out(device)
        if index in _SENT_AT:
            self._send(device)

    def _end(self, device: Device) -> None:
        assert device.vitals.running_model is not None
        metrics = device.vitals.close_minute(device.clock.now(), device.outbox.totals())
        device.outbox.put([device.packer.metrics(metrics, device.vitals.running_model)])
        device.outbox.sweep()
        device.inbox.close()
        device.inference.run()
        self._send(device)
        self._home.close()

    def _judge(self, device: Device) -> None:
        engine = device.models.engine
        assert engine is not None
        extractor = TfliteExtractor(tiny_model())
        items = tuple(
            FeedbackItem(
                feedback_id=f"feedback-{number}",
                sequence=number,
                sample_id=f"judged-{number}",
                drift_event_id="",
                decision=Decision.NEW_LABEL,
                label="corner",
                embedding=extractor.extract(image),
                feature_space=engine.model.feature_space,
            )
            for number, image in enumerate(novel_images(3, seed=5), start=1)
            if not self._answer_of(f"feedback-{number}").exists()
        )
        if items:
            assert device.inbox.put_order(ApplyFeedback(items=items))
            step(device)
        self._answer(device)

    def _answer(self, device: Device) -> None:
        messages = device.outbox.messages(MessageKind.ACKNOWLEDGEMENT, 100)
        for message in messages:
            answer = feedback_pb2.FeedbackAcknowledgement.FromString(message.content)
            self._answer_of(answer.feedback_id).write_bytes(message.content)
        device.outbox.remove_messages([message.sequence for message in messages])

    def _answer_of(self, feedback_id: str) -> Path:
        return self._sent / f"{feedback_id}.answer"

    def _roll_out(self, device: Device) -> None:
        """What the fetching side does with an offer."""
        record, digest = device.deployments.read(), _sha256(self._next_bundle)
        if record is not None and record.state not in ("OFFERED", "DOWNLOADING", "VERIFIED"):
            return
        if record is None:
            device.deployments.begin(_ROLLOUT, digest, 2)
        with device.slots.partial_file(digest).open("wb") as file:
            file.write(self._next_bundle.read_bytes())
            os.fsync(file.fileno())
        device.slots.stage(digest, version=2)
        device.deployments.advance("VERIFIED")
        device.deployments.advance("STAGED")
        assert device.inbox.put_order(ActivateModel())
        step(device)

    def _send(self, device: Device) -> None:
        while self._is_online and (package := device.outbox.next_package()) is not None:
            assert device.outbox.is_whole(package), f"package {package.package_id} is damaged"
            device.outbox.note_attempt(package.package_id)
            content = device.outbox.content_path(package.package_id).read_bytes()
            (self._sent / f"{package.package_id}{SUFFIX}").write_bytes(content)
            device.outbox.remove_package(package.package_id)

    def outcome(self) -> dict[str, Any]:
        """What there is in the end: counts that must be the same however often the life was cut, and faults."""
        disk = inspect(self._home.state)
        sent = {path.name.removesuffix(SUFFIX): path.read_bytes() for path in self._sent.glob(f"*{SUFFIX}")}
        packages = sent | disk.contents
        event_count, sample_count = evidence_counts(packages)
        device = self._home.open()
        record, bundle = device.deployments.read(), device.slots.active()
        is_new = bundle is not None and bundle.bundle_sha256 == _sha256(self._next_bundle)
        facts = {
            "next_index": device.first_index,
            "runs_new_bundle": is_new and not device.slots.on_trial,
            "deployment": None if record is None else record.state,
            "answered": sorted(disk.answered),
            "adaptation_ids": len({it for it in disk.answered.values() if it}),
            "has_events": event_count > 0,
            "has_samples": sample_count > 0,
            "faults": [*disk.faults, *evidence_faults(packages)],
            "packages": sorted(packages),
        }
        self._home.close()
        return json.loads(json.dumps(facts))  # type: ignore[no-any-return]  # as it went in


def step(device: Device) -> None:
    """One piece of work, and what it gave the disk to do: in this order, so that a life can be told again."""
    device.inference.step()
    device.inference.settle()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
