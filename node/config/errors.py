"""What cannot start, and why: one sentence for the operator."""

from __future__ import annotations


class SettingsError(Exception):
    """The node cannot start like this. The message is one sentence for the operator."""
