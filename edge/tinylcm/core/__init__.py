"""The rules of the device, pure: classify, then notice drift, then adapt."""
