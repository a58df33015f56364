"""What the settings allow and keep, in the words of the ingestion service."""

from datetime import timedelta

from tinysphere.domain.telemetry import MetricLevel, Retention
from tinysphere.ingestion.limits import UploadLimits
from tinysphere.settings import Settings


def retention(settings: Settings) -> Retention:
    """How long metrics and logs are kept."""
    return Retention(
        levels={
            MetricLevel.RAW: timedelta(seconds=settings.metric_raw_retention_s),
            MetricLevel.MINUTE: timedelta(seconds=settings.metric_minute_retention_s),
            MetricLevel.HOUR: timedelta(seconds=settings.metric_hour_retention_s),
        },
        logs=timedelta(seconds=settings.log_retention_s),
    )


def upload_limits(settings: Settings) -> UploadLimits:
    """The limits of uploads."""
    return UploadLimits(
        package_max_bytes=settings.package_max_bytes,
        chunk_bytes=settings.upload_chunk_bytes,
        chunk_max_bytes=settings.upload_chunk_max_bytes,
        commit_bytes=settings.upload_commit_bytes,
        commit_interval_s=settings.upload_commit_interval_s,
        quota_bytes=settings.upload_quota_bytes,
        expiry=timedelta(seconds=settings.upload_expiry_s),
        result_retention=timedelta(seconds=settings.upload_result_retention_s),
        disk_floor_bytes=settings.disk_floor_bytes,
    )
