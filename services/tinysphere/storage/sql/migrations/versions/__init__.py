"""One file per change of the schema. Each service's tables are a branch of their own."""
