"""Asks a server how it is, by `grpc.health.v1`."""

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_S = 4.0


def is_serving(target: str, service_name: str = "", *, timeout_s: float = TIMEOUT_S) -> bool:
    """Whether a server says that it serves a service, or calls as such; False when it does not answer.

    Args:
        target: "host:port".
        service_name: A service of the contract, `tinysphere.rpc.server.LIVENESS`, or empty.
    """
    with grpc.insecure_channel(target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service_name), timeout=timeout_s)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
