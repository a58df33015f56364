"""The ingestion service's client of the drift service."""

from collections.abc import Sequence
from typing import Any

import grpc

from tinymlops.v1 import (
    adaptation_pb2,
    adaptation_service_pb2,
    adaptation_service_pb2_grpc,
    drift_pb2,
    drift_service_pb2,
    drift_service_pb2_grpc,
)
from tinysphere.errors import InvalidRequestError, UnavailableError
from tinysphere.rpc.channels import open_channel
from tinysphere.rpc.errors import facts_of

TIMEOUT_S = 30.0

# Answers that will not change by asking again; everything else may.
_FINAL = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
)


class DriftClient:
    """See `tinysphere.ingestion.transformers.step.EvidenceSink`. Connects with the first call."""

    def __init__(self, target: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._channel = open_channel(target)
        self._stub = drift_service_pb2_grpc.DriftServiceStub(self._channel)
        self._adaptations = adaptation_service_pb2_grpc.AdaptationServiceStub(self._channel)
        self._timeout_s = timeout_s

    def report_drift_events(self, events: Sequence[drift_pb2.DriftEvent]) -> None:
        """See `EvidenceSink.report_drift_events`."""
        request = drift_service_pb2.ReportDriftEventsRequest(drift_events=events)
        self._call(self._stub.ReportDriftEvents, request)

    def report_samples(self, samples: Sequence[drift_pb2.Sample]) -> None:
        """See `EvidenceSink.report_samples`."""
        self._call(self._stub.ReportSamples, drift_service_pb2.ReportSamplesRequest(samples=samples))

    def report_adaptations(self, adaptations: Sequence[adaptation_pb2.Adaptation]) -> None:
        """See `EvidenceSink.report_adaptations`."""
        request = adaptation_service_pb2.ReportAdaptationsRequest(adaptations=adaptations)
        self._call(self._adaptations.ReportAdaptations, request)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def _call(self, method: Any, request: Any) -> None:
        try:
            method(request, timeout=self._timeout_s)
        except grpc.RpcError as error:
            facts = facts_of(error)
            told = f"the drift service answered {facts.code.name} {facts.reason}: {facts.message}"
            if facts.code in _FINAL:
                raise InvalidRequestError(facts.reason or facts.code.name, told) from error
            raise UnavailableError("DRIFT_SERVICE_UNAVAILABLE", told, retry_after_s=1.0) from error
