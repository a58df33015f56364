"""What transfers came to: counted from what the server acknowledged, never from what was handed to gRPC.

gRPC and the kernel take megabytes that may never leave the device; of those, only an answer of the server tells.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class TransferTally:
    """Counts of one boot; written by the sync thread and the stream it has open, read by any.

    Attributes:
        package_count: Receipts held.
        link_failure_count: Connections that broke while transferring.
        acknowledged_bytes: Durable at the server.
        resent_bytes: Handed to the link and not there when the connection had broken: at most so much was in vain.
    """

    package_count: int = 0
    link_failure_count: int = 0
    acknowledged_bytes: int = 0
    resent_bytes: int = 0

    @property
    def sent_bytes(self) -> int:
        """What the link carried: what arrived, and what broke on the way."""
        return self.acknowledged_bytes + self.resent_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How much of one package the server holds durably."""

    package_id: str
    acknowledged_bytes: int
    size_bytes: int


@dataclass(slots=True)
class PackageTally:
    """How far one package came in this boot."""

    total: TransferTally
    package_id: str = ""
    _handed: int = 0
    _acknowledged: int = 0

    @property
    def acknowledged(self) -> int:
        """Bytes that the server is known to hold."""
        return self._acknowledged

    def begin_at(self, offset: int) -> None:
        """The server holds the bytes before ``offset``; those behind it begin anew."""
        self.total.resent_bytes += max(self._handed - offset, 0)
        self._handed = offset
        self.acknowledge(offset)

    def hand(self, offset: int) -> None:
        """All bytes before ``offset`` were handed to the link."""
        self._handed = offset

    def acknowledge(self, offset: int) -> bool:
        """Takes what the server says is durable; True when it is more than it said before."""
        more = offset - self._acknowledged
        if more > 0:
            self.total.acknowledged_bytes += more
            self._acknowledged = offset
        return more > 0
