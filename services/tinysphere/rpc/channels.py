"""Channels to the other services: one place for link settings."""

import grpc

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
KEEPALIVE_INTERVAL_S = 10
KEEPALIVE_TIMEOUT_S = 5
RECONNECT_BACKOFF_S = (0.5, 5.0)  # grpc's own 120 s hides a returned peer for two minutes

_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", KEEPALIVE_INTERVAL_S * 1000),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_S * 1000),
    ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_S * 1000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", int(RECONNECT_BACKOFF_S[0] * 1000)),
    ("grpc.min_reconnect_backoff_ms", int(RECONNECT_BACKOFF_S[0] * 1000)),
    ("grpc.max_reconnect_backoff_ms", int(RECONNECT_BACKOFF_S[1] * 1000)),
    # Callers repeat by their own rules, with RetryInfo honoured.
    ("grpc.enable_retries", 0),
)


def open_channel(target: str) -> grpc.Channel:
    """Open a channel to ``target`` ("host:port"). It connects with the first call; the caller closes it."""
    return grpc.insecure_channel(target, options=_OPTIONS)
