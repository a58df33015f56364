"""Development-only scripts that make the committed data and models; run with ``python -m`` from the root."""
