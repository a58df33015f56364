"""How far a drift reaches in the fleet: this device alone, or a significant share of those with its model version."""
