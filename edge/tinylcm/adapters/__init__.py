"""The ports made real: engine, sources, pictures, time, and everything that outlives a power cut."""
