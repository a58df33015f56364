"""The contract's drift and feedback messages from and to the domain's records; every limit is checked here."""
