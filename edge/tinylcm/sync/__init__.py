"""The device's side of the contract: the only place that speaks gRPC."""
