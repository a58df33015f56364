"""Where things are kept: ports, SQL stores and blob stores."""
