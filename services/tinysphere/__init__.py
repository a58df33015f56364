"""The TinyMLOps server: ingestion, drift and distribution services."""
