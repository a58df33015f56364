"""The TinyMLOps device: classify, notice drift, carry evidence, adapt."""
