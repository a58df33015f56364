"""Simulated devices on the network: the contract's device side over gRPC, with the faults of their links."""
