"""Reads archives of strangers: a walk over regular files, nothing ever extracted to a path they name."""
