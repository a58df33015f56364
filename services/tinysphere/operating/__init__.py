"""What operators ask a running server, over gRPC, from any host."""
