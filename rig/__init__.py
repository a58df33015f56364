"""Broken links and other bad weather, on demand and from a seed: shared by demo, tests and benchmarks."""
