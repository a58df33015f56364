"""From a frame to an observation, an alarm and an adaptation; the world is reached only through ports."""
