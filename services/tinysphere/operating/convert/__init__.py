"""Records from the contract's messages, one module for each kind of thing."""
