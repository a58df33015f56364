"""What can go wrong on the server, as one tree; `rpc.errors` is the one place that turns it into gRPC status."""

from collections.abc import Mapping


class TinySphereError(Exception):
    """Root of every error the services raise on purpose.

    Attributes:
        reason: Stable upper-case word for programs, sent as ``google.rpc.ErrorInfo.reason``.
        metadata: More facts for programs, sent as ``ErrorInfo.metadata``.
        retry_after_s: Sent as ``google.rpc.RetryInfo`` when not None.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.retry_after_s = retry_after_s


class InvalidRequestError(TinySphereError):
    """The request can never succeed as it is."""


class InvalidFieldError(InvalidRequestError):
    """A field breaks its stated limit. ``field`` is its path in the request, e.g. "verdicts[3].label"."""

    def __init__(self, field: str, expected: str, came: str = "") -> None:
        found = f", got {came}" if came else ""
        super().__init__("INVALID_FIELD", f"{field}: expected {expected}{found}", metadata={"field": field})
        self.field = field
        self.description = f"expected {expected}{found}"


class NotFoundError(TinySphereError):
    """Nothing has that id."""


class ConflictError(TinySphereError):
    """The id is taken by other content."""


class PreconditionError(TinySphereError):
    """The request does not fit the present state; it may fit later, or after a correction."""


class SupersededError(TinySphereError):
    """A newer caller took over."""


class DamagedDataError(TinySphereError):
    """Bytes arrived damaged; the caller sends them again."""


class ExhaustedError(TinySphereError):
    """A quota, a size limit or the disk; ``retry_after_s`` says whether and when repeating helps."""


class OutOfRangeError(TinySphereError):
    """Reading beyond the end."""


class UnavailableError(TinySphereError):
    """Draining, overloaded, or a part that is needed is away; always with ``retry_after_s``."""


class ForbiddenError(TinySphereError):
    """The caller, or what signed the content, is not trusted to do this."""
