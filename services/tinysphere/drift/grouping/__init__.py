"""Groups of samples that look alike: how samples find them, and how one verdict judges a whole group."""
