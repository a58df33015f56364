"""The TinyMLOps Drift Hub: where people judge what devices noticed."""
