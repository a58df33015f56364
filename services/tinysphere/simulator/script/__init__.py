"""What simulated devices are and do. Pure: no network, no clock; everything follows from a seed and a scenario."""
