"""The closed loop shown on real images."""
