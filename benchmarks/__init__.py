"""Side-by-side measurements, each printing one JSON object as its last line."""
