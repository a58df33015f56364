"""The device as a program: composition, threads, commands."""
