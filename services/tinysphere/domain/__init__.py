"""Records and rules of the server, free of wire and storage."""
