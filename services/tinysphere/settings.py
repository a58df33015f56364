"""Settings of the server: the one place they are read. Environment variables have the prefix TINYSPHERE_."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
DAY_S = 24 * 3600.0

NOTIFICATION_SCHEMAS = (
    *("mailto", "mailtos", "json", "jsons"),
    *("slack", "discord", "tgram", "gchat", "webex", "zulip", "workflows"),
    *("matrix", "matrixs", "mmost", "mmosts", "rocket", "rockets", "nctalk", "nctalks", "signal", "signals"),
    *("ntfy", "ntfys", "gotify", "gotifys", "pover", "pagerduty", "opsgenie"),
)


def _in_data_dir(template: str) -> Any:
    """A default made of the data folder, which may itself be set."""
    return Field(default_factory=lambda known: template.format(Path(known["data_dir"]).absolute()))


def _same_as(name: str) -> Any:
    """A default equal to another setting."""
    return Field(default_factory=lambda known: known[name])


class Settings(BaseSettings):
    """What an operator may choose. Every field has a default that works on one machine without anything else."""

    model_config = SettingsConfigDict(env_prefix="TINYSPHERE_", frozen=True, extra="forbid")

    # Where things are kept.
    data_dir: Path = Path("tinysphere-data")
    database_url: str = _in_data_dir("sqlite:///{}/tinysphere.db")
    blobs_url: str = _in_data_dir("file://{}/blobs")
    mlflow_tracking_uri: str = _in_data_dir("sqlite:///{}/mlflow.db")

    # An S3 store, for blobs_url = "s3://bucket/prefix"; the bucket is made where it is missing.
    s3_endpoint: str = "s3.amazonaws.com"  # "host" or "host:port"
    s3_region: str = ""  # the store is asked when empty
    s3_tls: bool = True
    s3_ca_file: Path | None = None  # certificates to trust instead of the usual ones (PEM)
    s3_access_key: str = ""
    s3_secret_key: SecretStr = SecretStr("")

    # Where each service listens, and where the others reach it.
    ingestion_address: str = "127.0.0.1:7101"
    drift_address: str = "127.0.0.1:7102"
    distribution_address: str = "127.0.0.1:7103"
    ingestion_target: str = _same_as("ingestion_address")
    drift_target: str = _same_as("drift_address")

    # Calls. Streams may hold at most their share of the threads, so that short calls never starve.
    rpc_threads: PositiveInt = (
        1024  # made when they are needed; a slow sender holds one for as long as it sends
    )
    rpc_stream_share: float = Field(default=0.75, gt=0, lt=1)
    stop_grace_s: PositiveFloat = 5.0

    # Trust: files with Ed25519 public keys (PEM) that may sign model bundles.
    trusted_keys: list[Path] = []

    # Devices.
    heartbeat_interval_s: PositiveFloat = 30.0

    # Uploads.
    package_max_bytes: PositiveInt = 256 * MIB
    upload_chunk_bytes: PositiveInt = 512 * KIB
    upload_chunk_max_bytes: PositiveInt = 2 * MIB
    upload_commit_bytes: PositiveInt = 4 * MIB
    upload_commit_interval_s: PositiveFloat = 2.0
    upload_quota_bytes: PositiveInt = 1 * GIB  # open bytes of one device
    upload_expiry_s: PositiveFloat = 7 * 24 * 3600.0
    upload_result_retention_s: PositiveFloat = 30 * 24 * 3600.0
    sweep_interval_s: PositiveFloat = 60.0
    disk_floor_bytes: PositiveInt = 512 * MIB  # free space that uploads never touch

    # How long things are kept that reached their end; 0 keeps them for good. Garbage: what no row needs.
    keep_processed_s: NonNegativeFloat = 30 * DAY_S  # archives of processed packages; what they held stays
    keep_failed_s: NonNegativeFloat = 90 * DAY_S  # archives of failed packages, for a retry
    keep_files_s: NonNegativeFloat = 0  # prediction images and model states out of packages
    garbage_grace_s: NonNegativeFloat = 3600.0  # between stored bytes and the row that names them
    garbage_interval_s: PositiveFloat = 3600.0

    # Processing of packages.
    worker_engine: Literal["local", "procrastinate"] = "local"  # the latter needs PostgreSQL
    worker_threads: NonNegativeInt = 1  # in the server; with 0 only `tinysphere worker` processes packages
    worker_lease_s: PositiveFloat = 30.0  # a killed worker's package is taken again after that
    package_unpacked_max_bytes: PositiveInt = 1 * GIB
    package_ratio_max: PositiveInt = 200  # unpacked bytes per stored byte

    # Notifications. Schemas as Apprise has them; those that act on the server itself are refused, listed or not.
    notification_schemas: list[str] = list(NOTIFICATION_SCHEMAS)
    notification_poll_s: PositiveFloat = 30.0  # between looks for offline devices and failed packages
    notification_retention_s: PositiveFloat = 30 * DAY_S  # of the log of deliveries
    notification_log_max: PositiveInt = 10_000  # deliveries in the log, those that wait not counted

    # Metrics and logs: how many names of metrics a device may use, and how long each level is kept.
    metric_names_max: PositiveInt = 1000
    metric_raw_retention_s: PositiveFloat = 14 * DAY_S
    metric_minute_retention_s: PositiveFloat = 90 * DAY_S
    metric_hour_retention_s: PositiveFloat = 5 * 365 * DAY_S
    log_retention_s: PositiveFloat = 30 * DAY_S
    telemetry_sweep_interval_s: PositiveFloat = 3600.0
