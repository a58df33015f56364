"""What the services need of storage, as protocols."""
