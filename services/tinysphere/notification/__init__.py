"""Tells people what needs them, by rules: what happened becomes notices, notices become deliveries."""
