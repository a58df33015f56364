"""The pages: they ask the hub, lay out views, and turn clicks and keys into calls."""
