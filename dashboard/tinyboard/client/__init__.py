"""The wire: `hub` makes the calls, `convert` turns messages into view records."""
