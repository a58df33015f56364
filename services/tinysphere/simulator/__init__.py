"""A fleet of simulated devices: a second, independent client of the contract, for tests, benchmarks and the demo."""
