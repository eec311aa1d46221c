"""Use cases of the provider."""
