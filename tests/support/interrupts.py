"""Programs that a test interrupts."""

INTERRUPTIBLE = ("env", "--default-signal=INT")
"""Before a command: it ends by SIGINT also where the tests run in the background of a script, which ignores it."""
