"""Text of strangers as plain text: no markup, no controls, on one line.

Rule: what comes out is still escaped where it is shown. Source: SECURITY TH-33, F10.
"""

from __future__ import annotations

import html
import re
import unicodedata

_TAG = re.compile(r"<[^<>]*>")
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})


def plain_text(value: object) -> str:
    """`value` if it is a text, without markup and what nobody sees; else nothing."""
    if not isinstance(value, str):
        return ""
    bare = html.unescape(_TAG.sub(" ", value))
    seen = "".join(" " if unicodedata.category(each) in _UNSEEN else each for each in bare)
    return unicodedata.normalize("NFC", " ".join(seen.split()))
