"""TelemetryService."""

from tinymlops.v1 import telemetry_service_pb2_grpc


class TelemetryServicer(telemetry_service_pb2_grpc.TelemetryServiceServicer):
    """See telemetry_service.proto."""
