"""OpenID providers that the tests talk to: a certified one run for real, and one that lies."""
