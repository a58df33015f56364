"""What a server holds after a run, against what was handed to the device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import grpc

from tests.reliability.uploads_packages import METRIC_COUNT, Made
from tests.reliability.uploads_stores import Stores
from tests.support.waiting import eventually
from tests.tinysphere.ingestion.builders import DEVICE_ID
from tinymlops.v1 import drift_service_pb2, ingestion_service_pb2, package_pb2
from tinymlops.v1.drift_service_pb2_grpc import DriftServiceStub
from tinymlops.v1.ingestion_service_pb2_grpc import IngestionServiceStub

_TIMEOUT_S = 30
_PROCESSED = package_pb2.PACKAGE_STATE_PROCESSED
_ENDED = (_PROCESSED, package_pb2.PACKAGE_STATE_FAILED)
_RECEIVED = (package_pb2.PACKAGE_STATE_COMMITTED, package_pb2.PACKAGE_STATE_PROCESSING, *_ENDED)


class Arrivals:
    """Reads a running server through the contract, and its blobs behind its back."""

    def __init__(self, ingestion: grpc.Channel, drift: grpc.Channel, stores: Stores) -> None:
        self._packages = IngestionServiceStub(ingestion)
        self._drift = DriftServiceStub(drift)
        self._stores = stores

    def wait_until_processed(self, timeout_s: float) -> None:
        """Waits until no package waits for a worker."""
        eventually(
            lambda: all(one.state in _ENDED for one in self._listed()), timeout_s=timeout_s, every_s=0.5
        )

    def lost(self, promised: Sequence[Made]) -> Iterator[str]:
        """What the device promised to keep and the server does not hold."""
        held = {one.descriptor.package_id: one for one in self._listed() if one.state in _RECEIVED}
        for made in promised:
            package = held.get(made.package_id)
            if package is None:
                yield f"package {made.package_id} of {made.size_bytes} bytes never arrived"
            elif package.state != _PROCESSED:
                yield f"package {made.package_id} was not processed: {package.error_reason} {package.steps}"

    def duplicated(self, promised: Sequence[Made]) -> Iterator[str]:
        """What took effect more than once, or was never sent."""
        packages = self._listed()
        seen = Counter(one.descriptor.package_id for one in packages)
        known = {made.package_id for made in promised}
        yield from (f"package {it} stands there {count} times" for it, count in seen.items() if count > 1)
        yield from (f"package {it} was never handed out" for it in set(seen) - known)
        expected = {
            package_pb2.ENTRY_KIND_DRIFT_EVENTS: 1,
            package_pb2.ENTRY_KIND_METRICS: METRIC_COUNT,
            package_pb2.ENTRY_KIND_MODEL_STATE: 1,
        }
        for package in packages:
            counts = {step.kind: step.record_count for step in package.steps}
            if package.state == _PROCESSED and counts != expected:
                yield f"package {package.descriptor.package_id} left {counts} records"
        events = Counter(self._events())
        if events != Counter(made.drift_event_id for made in promised):
            yield f"{events.total()} drift events, {len(events)} of them different, for {len(promised)} packages"

    def corrupted(self, promised: Sequence[Made]) -> Iterator[str]:
        """Stored bytes that are not those handed to the device."""
        for made in promised:
            stored = self._stores.digest(made.sha256)
            if stored is not None and stored != (made.size_bytes, made.sha256):
                yield f"package {made.package_id} has other bytes: {stored}"
            if stored is None:
                yield f"package {made.package_id} has no bytes"

    def _listed(self) -> list[package_pb2.Package]:
        found, token = [], ""
        while True:
            request = ingestion_service_pb2.ListPackagesRequest(
                device_id=DEVICE_ID, page_size=500, page_token=token
            )
            page = self._packages.ListPackages(request, timeout=_TIMEOUT_S, wait_for_ready=True)
            found += page.packages
            if not (token := page.next_page_token):
                return found

    def _events(self) -> Iterator[str]:
        token = ""
        while True:
            request = drift_service_pb2.ListDriftEventsRequest(
                device_id=DEVICE_ID, page_size=500, page_token=token
            )
            page = self._drift.ListDriftEvents(request, timeout=_TIMEOUT_S, wait_for_ready=True)
            yield from (event.drift_event_id for event in page.drift_events)
            if not (token := page.next_page_token):
                return
