"""The drift service: evidence in, verdicts on it, feedback out."""
