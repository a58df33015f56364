"""Channels through Apprise."""

import logging
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat, NotifyType, PersistentStoreMode
from apprise.plugins import url_to_dict

from tinysphere.domain.drift import Severity
from tinysphere.notification.channel_urls import refuse_local_files, schema_of, without_secrets
from tinysphere.notification.channels import ChannelError, Message

WAIT_MAX_S = 10.0  # for a connection, and for each answer
MAX_ERROR_CHARACTERS = 512

# They act on the server itself: on its desktop, its log, its hardware, its files.
LOCAL_SCHEMAS = frozenset(
    ("blink1", "dbus", "glib", "gnome", "kde", "macosx", "qt", "rsyslog", "syslog", "windows", "vapid")
)

_TYPES = {
    Severity.LOW: NotifyType.INFO,
    Severity.MEDIUM: NotifyType.WARNING,
    Severity.HIGH: NotifyType.WARNING,
    Severity.CRITICAL: NotifyType.FAILURE,
    None: NotifyType.INFO,
}


class AppriseChannels:
    """See `tinysphere.notification.channels.Channels`.

    Args:
        schemas: Kinds of channels that are allowed, e.g. "mailtos".
    """

    def __init__(self, schemas: Collection[str]) -> None:
        self._schemas = frozenset(schemas) - LOCAL_SCHEMAS
        self._asset = AppriseAsset(
            app_id="TinyMLOps",
            app_desc="TinyMLOps",
            app_url="",
            storage_mode=PersistentStoreMode.MEMORY,
            pgp_autogen=False,
            pem_autogen=False,
            http_redirects=False,  # a receiver must not be able to send us elsewhere
        )
        # What it says goes into the log of deliveries; it may name users and hosts.
        logging.getLogger("apprise").propagate = False

    def shown(self, url: str) -> str:
        """See `Channels.shown`."""
        service = self._read(url)
        private: str = service.url(privacy=True)  # type: ignore[no-untyped-call] # Apprise types half of itself
        return without_secrets(url, private)

    def send(self, url: str, message: Message) -> str:
        """See `Channels.send`."""
        try:
            service = self._read(url)
        except ChannelError as error:
            return str(error)
        with _heard() as said:
            try:
                taken = service.notify(
                    body=message.body,
                    title=message.title,
                    notify_type=_TYPES[message.severity],
                    body_format=NotifyFormat.TEXT,
                )
            except Exception as error:  # whatever one of a hundred plugins meets is this delivery's failure
                return f"failed with {type(error).__name__}"
        if taken:
            return ""
        return (said[-1] if said else "the channel refused it")[:MAX_ERROR_CHARACTERS]

    def _read(self, url: str) -> NotifyBase:
        schema = schema_of(url)
        if schema not in self._schemas:
            raise ChannelError(
                f"schema {schema[:32]!r} is not allowed here; TINYSPHERE_NOTIFICATION_SCHEMAS names those that are"
            )
        parts = url_to_dict(url)  # type: ignore[no-untyped-call] # Apprise types half of itself
        refuse_local_files(parts["qsd"] if parts else ())
        service = Apprise.instantiate(parts, asset=self._asset) if parts else None
        if service is None:
            raise ChannelError(f"Apprise cannot read this {schema} URL; see what it says of {schema}")
        service.socket_connect_timeout = min(service.socket_connect_timeout, WAIT_MAX_S)
        service.socket_read_timeout = min(service.socket_read_timeout, WAIT_MAX_S)
        service.redirects = False  # whatever the URL says
        return service


class _Listener(logging.Handler):
    """Keeps what Apprise says in one thread, from warnings on; debug lines would hold whole URLs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self._thread_id = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread_id:
            self.said.append(record.getMessage())


@contextmanager
def _heard() -> Iterator[list[str]]:
    listener = _Listener()
    logger = logging.getLogger("apprise")
    logger.addHandler(listener)
    try:
        yield listener.said
    finally:
        logger.removeHandler(listener)
