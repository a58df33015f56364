"""Tables the ingestion service writes: devices, packages, uploads. Metrics and logs: `tables_telemetry`."""

import sqlalchemy as sa

from tinysphere.storage.sql.metadata import UtcDateTime, metadata

COUNTERS = (
    "prediction_count",
    "drift_event_count",
    "adaptation_count",
    "package_count",
    "link_failure_count",
    "sent_bytes",
    "resent_bytes",
)

devices = sa.Table(
    "devices",
    metadata,
    sa.Column("device_id", sa.String(64), primary_key=True),
    sa.Column("display_name", sa.String(128), nullable=False),
    sa.Column("machine", sa.String(64), nullable=False),
    sa.Column("operating_system", sa.String(128), nullable=False),
    sa.Column("python_version", sa.String(32), nullable=False),
    sa.Column("runtime", sa.String(64), nullable=False),
    sa.Column("tinylcm_version", sa.String(32), nullable=False),
    sa.Column("platform_memory_bytes", sa.BigInteger, nullable=False),
    sa.Column("latitude_deg", sa.Double),
    sa.Column("longitude_deg", sa.Double),
    sa.Column("mode", sa.String(32)),
    # What the device registered last: people may have changed name and labels since, and it says the same again
    # at every start.
    sa.Column("registered_name", sa.String(128)),
    sa.Column("registered_labels", sa.JSON(none_as_null=True)),
    sa.Column("register_time", UtcDateTime, nullable=False),
    sa.Column("last_contact_time", UtcDateTime, nullable=False),
    sa.Column("model_name", sa.String(128), nullable=False, server_default=""),
    sa.Column("model_version", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("bundle_sha256", sa.String(64), nullable=False, server_default=""),
    sa.Column("feature_space", sa.String(64), nullable=False, server_default=""),
    sa.Column("drifting", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("quarantine_count", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("outbox_count", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("outbox_bytes", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("latency_ms", sa.Double, nullable=False, server_default="0"),
    sa.Column("memory_bytes", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("feedback_mark", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("update_mark", sa.BigInteger, nullable=False, server_default="0"),
)

device_labels = sa.Table(
    "device_labels",
    metadata,
    sa.Column("device_id", sa.ForeignKey("devices.device_id"), primary_key=True),
    sa.Column("key", sa.String(63), primary_key=True),
    sa.Column("value", sa.String(63), nullable=False),
    sa.Index(None, "key", "value", "device_id"),
)

device_boots = sa.Table(
    "device_boots",
    metadata,
    sa.Column("device_id", sa.ForeignKey("devices.device_id"), primary_key=True),
    sa.Column("boot_id", sa.String(36), primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in COUNTERS),
)

packages = sa.Table(
    "packages",
    metadata,
    sa.Column("package_id", sa.String(36), primary_key=True),
    sa.Column("device_id", sa.ForeignKey("devices.device_id"), nullable=False),
    sa.Column("format", sa.String(32), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("create_time", UtcDateTime, nullable=False),
    sa.Column("state", sa.String(32), nullable=False),
    sa.Column("error_reason", sa.String(64), nullable=False, server_default=""),
    sa.Column("error", sa.Text, nullable=False, server_default=""),
    sa.Column("receive_time", UtcDateTime, nullable=False),
    sa.Column("commit_time", UtcDateTime),
    sa.Column("process_time", UtcDateTime),
    # Work: due from `due_time` on, null when there is none; for a claimed package that is its lease.
    sa.Column("due_time", UtcDateTime),
    sa.Column("claim_id", sa.String(36)),
    sa.Column("delay_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("crash_count", sa.Integer, nullable=False, server_default="0"),
    sa.Index(None, "receive_time", "package_id"),
    sa.Index(None, "device_id", "receive_time", "package_id"),
    sa.Index(None, "sha256", "device_id"),
    sa.Index(None, "state", "receive_time", "package_id"),
    sa.Index(None, "due_time"),
)

package_steps = sa.Table(
    "package_steps",
    metadata,
    sa.Column("package_id", sa.ForeignKey("packages.package_id"), primary_key=True),
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("state", sa.String(32), nullable=False),
    sa.Column("error", sa.Text, nullable=False, server_default=""),
    sa.Column("record_count", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("attempt_count", sa.Integer, nullable=False, server_default="0"),
)

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("upload_id", sa.String(36), primary_key=True),
    # No foreign key: the package of a cancelled upload is forgotten, the upload is not.
    sa.Column("package_id", sa.String(36), nullable=False),
    sa.Column("device_id", sa.ForeignKey("devices.device_id"), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("state", sa.String(32), nullable=False),
    sa.Column("committed_offset", sa.BigInteger, nullable=False),
    sa.Column("expire_time", UtcDateTime, nullable=False),
    sa.Index(None, "package_id"),
    sa.Index(None, "state", "expire_time"),
    sa.Index(None, "device_id", "state"),
)

package_files = sa.Table(
    "package_files",
    metadata,
    sa.Column("package_id", sa.ForeignKey("packages.package_id"), primary_key=True),
    sa.Column("path", sa.String(200), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Index(None, "sha256"),
)
