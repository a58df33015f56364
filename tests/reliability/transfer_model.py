"""What the contract says of an upload, as a model without any I/O: what is answered, and what stays true.

After a cut nobody but the server knows how many of the bytes on their way it kept; so the model knows a least and a
most, and learns more with every answer. The least never falls while the upload lives.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ACTIVE, FINISHED, CANCELLED, EXPIRED = "ACTIVE", "FINISHED", "CANCELLED", "EXPIRED"
UNKNOWN, UPLOADING, HELD = "UNKNOWN", "UPLOADING", "HELD"


class DivergenceError(AssertionError):
    """The server said something else than the model."""


@dataclass(slots=True, kw_only=True)
class UploadModel:
    """One package on its way.

    Attributes:
        upload_id: Of the upload that takes bytes now; empty without one.
        least: Bytes that are durable for sure.
        most: Bytes that may be.
        is_held: Whether a receipt was given.
        ended: State of each upload that is over.
    """

    size_bytes: int
    upload_id: str = ""
    least: int = 0
    most: int = 0
    is_held: bool = False
    ended: dict[str, str] = field(default_factory=dict)

    @property
    def is_active(self) -> bool:
        """Whether an upload takes bytes."""
        return bool(self.upload_id)

    @property
    def package_state(self) -> str:
        """What GetPackage says."""
        if self.is_held:
            return HELD
        return UPLOADING if self.is_active else UNKNOWN

    def created(self, upload_id: str, state: str, committed_offset: int) -> None:
        """CreateUpload was answered."""
        if self.is_held:
            _require(state == FINISHED, f"a held package has an upload that is {state}")
            self.ended[upload_id] = FINISHED
            return
        _require(state == ACTIVE, f"a new upload is {state}")
        if not self.is_active:
            _require(upload_id not in self.ended, "an upload that is over came back")
            self.upload_id, self.least, self.most = upload_id, 0, 0
        self.seen(upload_id, state, committed_offset)

    def sent(self, end: int) -> None:
        """Bytes up to there were handed to the link."""
        self.most = max(self.most, end)

    def seen(self, upload_id: str, state: str, committed_offset: int) -> None:
        """GetUpload was answered, or an acknowledgement came."""
        if upload_id != self.upload_id:
            expected = self.ended.get(upload_id)
            _require(state == expected, f"an upload that is {expected} is {state}")
            return
        _require(state == ACTIVE, f"the active upload is {state}")
        _require(
            self.least <= committed_offset <= self.most,
            f"{committed_offset} bytes are committed, of at least {self.least} and at most {self.most}",
        )
        self.least = committed_offset

    def refused_digest(self) -> None:
        """The whole was wrong: the upload starts again from 0."""
        self.least = self.most = 0

    def finished(self) -> None:
        """A receipt came, by whatever way."""
        self.is_held = True
        self._end(FINISHED)

    def cancelled(self) -> None:
        """CancelUpload was answered."""
        self._end(CANCELLED)

    def expired(self) -> None:
        """Its time was over."""
        self._end(EXPIRED)

    def _end(self, state: str) -> None:
        if self.is_active:
            self.ended[self.upload_id] = state
        self.upload_id, self.least, self.most = "", 0, 0


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise DivergenceError(otherwise)
