"""What a browser says it is, in a few words that its owner recognises."""

from __future__ import annotations

from flask_babel import gettext as _

SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)
BROWSERS = (("Firefox/", "Firefox"), ("Edg/", "Edge"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))


def device_of(user_agent: str) -> str:
    """`Firefox, Linux`, or a sentence of the reader's language when nothing is known."""
    parts = (next((name for mark, name in each if mark in user_agent), "") for each in (BROWSERS, SYSTEMS))
    return ", ".join(part for part in parts if part) or _("Another program")
