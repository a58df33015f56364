"""Samples that people judged, as training sets: a folder, Parquet, or Label Studio's tasks."""
