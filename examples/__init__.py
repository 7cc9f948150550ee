"""Examples, each of which a test runs."""
