"""An operator's clients, one for each kind of thing."""
