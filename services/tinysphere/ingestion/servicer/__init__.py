"""The wire side of the ingestion service: convert in, one call, convert out."""
