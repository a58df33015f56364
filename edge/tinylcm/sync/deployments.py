"""How far the device came with the rollout it was offered: one durable record, written by two threads."""

import json
import threading
from dataclasses import asdict, dataclass, replace

from tinylcm.ports import Outbox

_NAME = "deployment"
_OVER = {"COMMITTED", "ROLLED_BACK", "FAILED", "REJECTED", "CANCELLED"}
_SETTLING = {"STAGED", "TRIAL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRecord:
    """One deployment; `state` is a name of `tinymlops.v1.DeploymentState` without its prefix.

    Attributes:
        attempt: Counts from 0 how often the server had the device try it again.
    """

    rollout_id: str
    bundle_sha256: str
    version: int
    state: str
    reason: str = ""
    is_reported: bool = False
    attempt: int = 0

    def is_about(self, rollout_id: str, attempt: int) -> bool:
        """Whether it tells how far the device came with this attempt of a rollout, or a later one."""
        return self.rollout_id == rollout_id and self.attempt >= attempt

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens with this rollout on this device."""
        return self.state in _OVER

    @property
    def is_settling(self) -> bool:
        """Whether the idle slot holds what must not be overwritten: the new bundle, or the way back."""
        return self.state in _SETTLING


class DeploymentLog:
    """The record, kept in the outbox; the sync thread leads it to STAGED, the inference thread from there on."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._lock = threading.Lock()

    def read(self) -> DeploymentRecord | None:
        """Returns the record of the last rollout offered, or None."""
        text = self._outbox.value(_NAME)
        return DeploymentRecord(**json.loads(text)) if text else None

    def begin(self, rollout_id: str, bundle_sha256: str, version: int, *, attempt: int = 0) -> None:
        """A rollout was offered, or offered again."""
        record = DeploymentRecord(
            rollout_id=rollout_id,
            bundle_sha256=bundle_sha256,
            version=version,
            state="OFFERED",
            attempt=attempt,
        )
        with self._lock:
            self._write(record)

    def advance(self, state: str, reason: str = "") -> None:
        """The present rollout came to another state; without one, as for a bundle installed by hand, nothing."""
        with self._lock:
            record = self.read()
            if record is not None and record.state != state:
                self._write(replace(record, state=state, reason=reason[:1024], is_reported=False))

    def mark_reported(self, reported: DeploymentRecord) -> None:
        """The server took a report; a state reached meanwhile stays to be reported."""
        with self._lock:
            if self.read() == reported:
                self._write(replace(reported, is_reported=True))

    def forget(self) -> None:
        """The rollout was withdrawn."""
        with self._lock:
            self._outbox.set_value(_NAME, "")

    def _write(self, record: DeploymentRecord) -> None:
        self._outbox.set_value(_NAME, json.dumps(asdict(record), sort_keys=True))
