"""Devices, packages, uploads, metrics and logs."""

import sqlalchemy as sa
from alembic import op

from tinysphere.storage.sql.metadata import UtcDateTime

revision = "0001_ingestion"
down_revision = None
branch_labels = ("ingestion",)
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "devices",
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("display_name", sa.String(length=128), nullable=False),
        sa.Column("machine", sa.String(length=64), nullable=False),
        sa.Column("operating_system", sa.String(length=128), nullable=False),
        sa.Column("python_version", sa.String(length=32), nullable=False),
        sa.Column("runtime", sa.String(length=64), nullable=False),
        sa.Column("tinylcm_version", sa.String(length=32), nullable=False),
        sa.Column("platform_memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("latitude_deg", sa.Double(), nullable=True),
        sa.Column("longitude_deg", sa.Double(), nullable=True),
        sa.Column("mode", sa.String(length=32), nullable=True),
        sa.Column("register_time", UtcDateTime(), nullable=False),
        sa.Column("last_contact_time", UtcDateTime(), nullable=False),
        sa.Column("model_name", sa.String(length=128), server_default="", nullable=False),
        sa.Column("model_version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bundle_sha256", sa.String(length=64), server_default="", nullable=False),
        sa.Column("feature_space", sa.String(length=64), server_default="", nullable=False),
        sa.Column("drifting", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("quarantine_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("outbox_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("outbox_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("latency_ms", sa.Double(), server_default="0", nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("feedback_mark", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("update_mark", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_devices")),
    )
    op.create_table(
        "device_boots",
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("boot_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("prediction_count", sa.BigInteger(), nullable=False),
        sa.Column("drift_event_count", sa.BigInteger(), nullable=False),
        sa.Column("adaptation_count", sa.BigInteger(), nullable=False),
        sa.Column("package_count", sa.BigInteger(), nullable=False),
        sa.Column("link_failure_count", sa.BigInteger(), nullable=False),
        sa.Column("sent_bytes", sa.BigInteger(), nullable=False),
        sa.Column("resent_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.device_id"], name=op.f("fk_device_boots_device_id_devices")
        ),
        sa.PrimaryKeyConstraint("device_id", "boot_id", name=op.f("pk_device_boots")),
    )
    op.create_table(
        "device_labels",
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=63), nullable=False),
        sa.Column("value", sa.String(length=63), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.device_id"], name=op.f("fk_device_labels_device_id_devices")
        ),
        sa.PrimaryKeyConstraint("device_id", "key", name=op.f("pk_device_labels")),
    )
    op.create_index(
        op.f("ix_device_labels_key_value_device_id"),
        "device_labels",
        ["key", "value", "device_id"],
        unique=False,
    )
    op.create_table(
        "packages",
        sa.Column("package_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("format", sa.String(length=32), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("create_time", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("error_reason", sa.String(length=64), server_default="", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("receive_time", UtcDateTime(), nullable=False),
        sa.Column("commit_time", UtcDateTime(), nullable=True),
        sa.Column("process_time", UtcDateTime(), nullable=True),
        sa.Column("due_time", UtcDateTime(), nullable=True),
        sa.Column("claim_id", sa.String(length=36), nullable=True),
        sa.Column("delay_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("crash_count", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.device_id"], name=op.f("fk_packages_device_id_devices")
        ),
        sa.PrimaryKeyConstraint("package_id", name=op.f("pk_packages")),
    )
    op.create_index(
        op.f("ix_packages_device_id_receive_time_package_id"),
        "packages",
        ["device_id", "receive_time", "package_id"],
        unique=False,
    )
    op.create_index(op.f("ix_packages_due_time"), "packages", ["due_time"], unique=False)
    op.create_index(
        op.f("ix_packages_receive_time_package_id"), "packages", ["receive_time", "package_id"], unique=False
    )
    op.create_index(
        op.f("ix_packages_state_receive_time_package_id"),
        "packages",
        ["state", "receive_time", "package_id"],
        unique=False,
    )
    op.create_table(
        "uploads",
        sa.Column("upload_id", sa.String(length=36), nullable=False),
        sa.Column("package_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("committed_offset", sa.BigInteger(), nullable=False),
        sa.Column("expire_time", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.device_id"], name=op.f("fk_uploads_device_id_devices")
        ),
        sa.PrimaryKeyConstraint("upload_id", name=op.f("pk_uploads")),
    )
    op.create_index(op.f("ix_uploads_device_id_state"), "uploads", ["device_id", "state"], unique=False)
    op.create_index(op.f("ix_uploads_package_id"), "uploads", ["package_id"], unique=False)
    op.create_index(op.f("ix_uploads_state_expire_time"), "uploads", ["state", "expire_time"], unique=False)
    op.create_table(
        "log_records",
        sa.Column("package_id", sa.String(length=36), nullable=False),
        sa.Column("record_index", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("log_time", UtcDateTime(), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("logger", sa.String(length=128), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["package_id"], ["packages.package_id"], name=op.f("fk_log_records_package_id_packages")
        ),
        sa.PrimaryKeyConstraint("package_id", "record_index", name=op.f("pk_log_records")),
    )
    op.create_index(
        op.f("ix_log_records_device_id_log_time"), "log_records", ["device_id", "log_time"], unique=False
    )
    op.create_table(
        "metric_points",
        sa.Column("package_id", sa.String(length=36), nullable=False),
        sa.Column("record_index", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("measure_time", UtcDateTime(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["package_id"], ["packages.package_id"], name=op.f("fk_metric_points_package_id_packages")
        ),
        sa.PrimaryKeyConstraint("package_id", "record_index", name=op.f("pk_metric_points")),
    )
    op.create_index(
        op.f("ix_metric_points_device_id_name_measure_time"),
        "metric_points",
        ["device_id", "name", "measure_time"],
        unique=False,
    )
    op.create_table(
        "package_files",
        sa.Column("package_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["package_id"], ["packages.package_id"], name=op.f("fk_package_files_package_id_packages")
        ),
        sa.PrimaryKeyConstraint("package_id", "path", name=op.f("pk_package_files")),
    )
    op.create_index(op.f("ix_package_files_sha256"), "package_files", ["sha256"], unique=False)
    op.create_table(
        "package_steps",
        sa.Column("package_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("record_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempt_count", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["package_id"], ["packages.package_id"], name=op.f("fk_package_steps_package_id_packages")
        ),
        sa.PrimaryKeyConstraint("package_id", "kind", name=op.f("pk_package_steps")),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("package_steps")
    op.drop_index(op.f("ix_package_files_sha256"), table_name="package_files")
    op.drop_table("package_files")
    op.drop_index(op.f("ix_metric_points_device_id_name_measure_time"), table_name="metric_points")
    op.drop_table("metric_points")
    op.drop_index(op.f("ix_log_records_device_id_log_time"), table_name="log_records")
    op.drop_table("log_records")
    op.drop_index(op.f("ix_uploads_state_expire_time"), table_name="uploads")
    op.drop_index(op.f("ix_uploads_package_id"), table_name="uploads")
    op.drop_index(op.f("ix_uploads_device_id_state"), table_name="uploads")
    op.drop_table("uploads")
    op.drop_index(op.f("ix_packages_state_receive_time_package_id"), table_name="packages")
    op.drop_index(op.f("ix_packages_receive_time_package_id"), table_name="packages")
    op.drop_index(op.f("ix_packages_due_time"), table_name="packages")
    op.drop_index(op.f("ix_packages_device_id_receive_time_package_id"), table_name="packages")
    op.drop_table("packages")
    op.drop_index(op.f("ix_device_labels_key_value_device_id"), table_name="device_labels")
    op.drop_table("device_labels")
    op.drop_table("device_boots")
    op.drop_table("devices")
