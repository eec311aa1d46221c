"""Why something is called back: codes of the profile in words. No free text, which would repeat the secret (2.f)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _

REASONS: Mapping[str, Any] = {
    "wrong-recipient": _("sent to the wrong people"),
    "mistake": _("a mistake in it"),
    "personal-data": _("personal data in it"),
    "confidential": _("confidential"),
}
"""What people may choose."""

OTHERS: Mapping[str, Any] = {
    "moderated": _("hidden by the space"),
    "expired": _("kept as long as agreed"),
    "agreement-ended": _("the agreement has ended"),
}
"""What nodes and managers say."""


def words(code: str) -> str:
    """The words for a code; for one that a later version made, the code."""
    return str(REASONS.get(code) or OTHERS.get(code) or code)


def gone(code: str) -> str:
    """What stands in the place of a message."""
    sentence = _("Called back: %(why)s.") if code in REASONS else _("Erased: %(why)s.")
    return str(sentence) % {"why": words(code)}
