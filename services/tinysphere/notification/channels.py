"""Where notifications go, as the service sees it."""

from dataclasses import dataclass
from typing import Protocol

from tinysphere.domain.drift import Severity
from tinysphere.errors import InvalidRequestError


class ChannelError(InvalidRequestError):
    """A channel's URL cannot be used; the message says why, without its secrets."""

    def __init__(self, message: str) -> None:
        super().__init__("INVALID_CHANNEL", message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a channel is to carry; ``severity`` is None where nobody estimated one."""

    title: str
    body: str
    severity: Severity | None


class Channels(Protocol):
    """Every kind of channel."""

    def shown(self, url: str) -> str:
        """A URL for people, its secrets left out.

        Raises:
            ChannelError: It cannot be read, or is of a kind that is not allowed.
        """

    def send(self, url: str, message: Message) -> str:
        """Sends now, in this thread. Each wait for the other side is bounded; a side that trickles may take longer.

        Returns:
            What it met, for people, without secrets; empty when the channel took the message.
        """
