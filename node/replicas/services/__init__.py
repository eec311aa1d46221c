"""Use cases of copies of spaces."""
