"""The wire side of the drift service: convert in, one call, convert out."""
