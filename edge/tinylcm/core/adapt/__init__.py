"""Keep evidence of a drift, choose what a person should see, and learn from the answers only what does no harm."""
