"""Work that outlives a request: the port, and the worker inside the server."""
