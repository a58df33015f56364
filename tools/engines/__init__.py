"""The device on both TFLite engines, and on its own dependencies only."""
