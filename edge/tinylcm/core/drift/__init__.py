"""Notice when the stream leaves the reference, without labels and within a promised false-alarm budget."""
