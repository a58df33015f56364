"""Packages on their way in: in one request, or as resumable uploads."""

import hashlib
import logging
from dataclasses import replace

from tinysphere.domain.ids import new_id
from tinysphere.domain.packages import Package, PackageDescriptor, PackageState, Upload, UploadState
from tinysphere.errors import ExhaustedError, InvalidRequestError, PreconditionError
from tinysphere.ingestion.upload_session import UploadPlaces, upload_not_found
from tinysphere.ingestion.upload_sessions import UploadSessions
from tinysphere.jobs.ports import Jobs
from tinysphere.storage.ports.packages import SMALL_BYTES, PackageStore

PUT_MAX_BYTES = 1024 * 1024
SWEEP_BATCH = 100

logger = logging.getLogger(__name__)


class Uploads:
    """Use cases of PutPackage, CreateUpload, GetUpload and CancelUpload, and the sweeping of what was given up."""

    def __init__(
        self, packages: PackageStore, places: UploadPlaces, sessions: UploadSessions, jobs: Jobs
    ) -> None:
        self._packages = packages
        self._places = places
        self._sessions = sessions
        self._jobs = jobs

    def put(self, descriptor: PackageDescriptor, content: bytes) -> Package:
        """Take a small package at once.

        Raises:
            NotFoundError: DEVICE_NOT_FOUND.
            ConflictError: PACKAGE_CONFLICT.
            InvalidRequestError: DIGEST_MISMATCH.
            ExhaustedError: PACKAGE_TOO_LARGE, DISK_FULL.
        """
        if max(len(content), descriptor.size_bytes) > PUT_MAX_BYTES:
            raise _too_large(PUT_MAX_BYTES, "use CreateUpload")
        sha256 = hashlib.sha256(content).hexdigest()
        if len(content) != descriptor.size_bytes or sha256 != descriptor.sha256:
            raise InvalidRequestError(
                "DIGEST_MISMATCH",
                f"expected {descriptor.size_bytes} bytes of {descriptor.sha256}, got {len(content)} of {sha256}",
            )
        put = self._put_small if len(content) <= SMALL_BYTES else self._put_large
        package = put(descriptor, content)
        self._sessions.end_stream_of(descriptor.package_id)
        self._jobs.submit(descriptor.package_id)
        return package

    def _put_small(self, descriptor: PackageDescriptor, content: bytes) -> Package:
        """Bytes and row in one transaction, shared with others that come at once."""
        self._places.parts.check_room(len(content))
        return self._packages.put(descriptor, self._places.clock.now(), content=content)

    def _put_large(self, descriptor: PackageDescriptor, content: bytes) -> Package:
        """The blob first, then the row that names it."""
        known = self._packages.find(descriptor)
        if known is not None and known.state is not PackageState.UPLOADING:
            return known
        self._places.parts.check_room(len(content))
        self._places.blobs.put([content], sha256=descriptor.sha256, size_bytes=len(content))
        return self._packages.put(descriptor, self._places.clock.now())

    def create(self, descriptor: PackageDescriptor) -> tuple[Upload, Package | None]:
        """Open a resumable upload, or find it; with its package once that is stored.

        Raises:
            NotFoundError: DEVICE_NOT_FOUND.
            ConflictError: PACKAGE_CONFLICT.
            ExhaustedError: PACKAGE_TOO_LARGE, UPLOAD_QUOTA_EXCEEDED, DISK_FULL.
        """
        limits, now = self._places.limits, self._places.clock.now()
        if descriptor.size_bytes > limits.package_max_bytes:
            raise _too_large(limits.package_max_bytes, "split or drop it")
        if self._packages.find(descriptor) is None:
            self._places.parts.check_room(descriptor.size_bytes)
        new = Upload(
            upload_id=new_id(now),
            package_id=descriptor.package_id,
            device_id=descriptor.device_id,
            size_bytes=descriptor.size_bytes,
            sha256=descriptor.sha256,
            state=UploadState.ACTIVE,
            committed_offset=0,
            expire_time=now + limits.expiry,
        )
        opened = self._places.store.open(descriptor, new, quota_bytes=limits.quota_bytes, now=now)
        return self._seen(opened)

    def get(self, upload_id: str) -> tuple[Upload, Package | None]:
        """One upload, with its package once that is stored.

        Raises:
            NotFoundError: UPLOAD_NOT_FOUND.
        """
        upload = self._places.store.get(upload_id)
        if upload is None:
            raise upload_not_found(upload_id)
        return self._seen(upload)

    def cancel(self, upload_id: str) -> Upload:
        """Give an unfinished upload up.

        Raises:
            NotFoundError: UPLOAD_NOT_FOUND.
            PreconditionError: UPLOAD_FINISHED.
        """
        upload = self._end(upload_id, UploadState.CANCELLED)
        if upload is None:
            raise upload_not_found(upload_id)
        if upload.state is UploadState.FINISHED:
            raise PreconditionError(
                "UPLOAD_FINISHED", f"upload {upload_id} is finished, its package is stored"
            )
        return upload

    def sweep(self) -> int:
        """End expired uploads, and remove the bytes and rows of those that ended before; how many expired."""
        now = self._places.clock.now()
        expired = [
            upload_id
            for upload_id in self._places.store.expired_ids(now, SWEEP_BATCH)
            if self._sessions.committed_offset(upload_id) is None
        ]
        for upload_id in expired:
            logger.info("upload %s expired", upload_id)
            self._end(upload_id, UploadState.EXPIRED)
        self._places.store.forget(now - self._places.limits.result_retention)
        parts = self._places.parts
        # Listed before the rows are read, so that an upload created meanwhile keeps its file.
        for upload_id in parts.upload_ids() - self._places.store.active_ids():
            parts.delete(upload_id)
        return len(expired)

    def _end(self, upload_id: str, state: UploadState) -> Upload | None:
        with self._sessions.ending(upload_id, upload_not_found(upload_id)):
            upload = self._places.store.close(upload_id, state)
            if upload is not None and upload.state is not UploadState.FINISHED:
                self._places.parts.delete(upload_id)
        return upload

    def _seen(self, upload: Upload) -> tuple[Upload, Package | None]:
        """The upload with the offset that is true now."""
        if upload.state is UploadState.FINISHED:
            return upload, self._packages.get(upload.package_id)
        if upload.state is not UploadState.ACTIVE:
            return upload, None
        live = self._sessions.committed_offset(upload.upload_id)
        committed = self._places.parts.committed(upload.upload_id) if live is None else live
        return replace(upload, committed_offset=committed), None


def _too_large(limit_bytes: int, advice: str) -> ExhaustedError:
    return ExhaustedError("PACKAGE_TOO_LARGE", f"at most {limit_bytes} bytes; {advice}")
