"""Where log lines go: to standard error, and the serious ones of a minute also to the server."""

import logging
import sys
from collections import deque
from datetime import UTC, datetime

from tinylcm.sync.packing import LogLine

_MAX_LINES = 100


class RecentWarnings(logging.Handler):
    """Keeps the newest warnings and errors until somebody takes them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: deque[LogLine] = deque(maxlen=_MAX_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Takes one record; the oldest makes room."""
        self._lines.append(
            LogLine(
                log_time=datetime.fromtimestamp(record.created, UTC),
                level=record.levelname,
                logger=record.name,
                message=record.getMessage(),
            )
        )

    def take(self) -> list[LogLine]:
        """Returns what was kept, and forgets it."""
        lines = []
        while self._lines:
            lines.append(self._lines.popleft())
        return lines


def set_up_logging(level: str) -> RecentWarnings:
    """Sends everything from ``level`` on to standard error; returns what keeps the warnings."""
    recent = RecentWarnings()
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[stream, recent])
    return recent
