"""Whether a server can be reached, without telling it anything."""

import grpc

_HEALTH_METHOD = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"  # HealthCheckResponse{status: SERVING}


def fault_of_server(target: str, *, timeout_s: float) -> str:
    """Asks for the health of what listens at ``target``; returns what is wrong, or nothing.

    A server without the standard health service has answered too, so it can be reached.
    """
    with grpc.insecure_channel(target) as channel:
        check = channel.unary_unary(
            _HEALTH_METHOD,
            request_serializer=lambda request: request,
            response_deserializer=lambda response: response,
        )
        try:
            answer = check(b"", timeout=timeout_s, wait_for_ready=True)
        except grpc.RpcError as error:
            code = error.code()
            return "" if code is grpc.StatusCode.UNIMPLEMENTED else code.name
    return "" if answer == _SERVING else "it says that it does not serve"
