"""The use cases of identity. Rule: no HTTP; the clock comes in; callers hold the unit of work."""
