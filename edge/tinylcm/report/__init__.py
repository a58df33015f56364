"""A replay as numbers and as a page: values in, JSON and HTML out, with no plotting library."""
