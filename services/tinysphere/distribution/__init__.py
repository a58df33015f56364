"""The distribution service: signed bundles in, rollouts of them to devices."""
