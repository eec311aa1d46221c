"""Names of people and handles of actors, from what an administrator or a provider says.

Rule: what comes out may be shown and federated: no bidi control, no invisible character, never a mail
address. A handle is ASCII `[a-z0-9._-]`. Source: SECURITY TH-33, C5, C10.
"""

from __future__ import annotations

import re
import unicodedata

MAX_NAME_CHARS = 120
MAX_HANDLE_CHARS = 32

RESERVED_HANDLES = frozenset(
    {"abuse", "actor", "admin", "administrator", "everyone", "host", "node", "noreply", "postmaster"}
    | {"root", "security", "support", "system", "webmaster"}
)

_LATIN = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"})
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})


def shown(text: str) -> str:
    """`text` as it may be shown: NFC, without controls and invisible characters, at most 120 characters."""
    seen = "".join(c if unicodedata.category(c) not in _UNSEEN_CATEGORIES else " " for c in text)
    return unicodedata.normalize("NFC", " ".join(seen.split()))[:MAX_NAME_CHARS].strip()


def without_mail(text: str) -> str:
    """`text`, or what stands before the @ when it is a mail address."""
    return text.partition("@")[0].strip() if "@" in text else text


def handle(text: str, joint: str = ".") -> str:
    """The handle that `text` suggests: "Inès Le Goff" -> "ines.le.goff". Empty when nothing of it is Latin."""
    folded = unicodedata.normalize("NFKD", without_mail(text).lower().translate(_LATIN))
    plain = "".join(c for c in folded if not unicodedata.combining(c))
    joined = re.sub(r"[^a-z0-9_-]+", joint, plain)
    return joined[:MAX_HANDLE_CHARS].strip("._-")


def numbered(base: str, number: int) -> str:
    """`base` for 1, then `base2`, `base3`, …; never longer than a handle may be."""
    suffix = "" if number == 1 else str(number)
    return base[: MAX_HANDLE_CHARS - len(suffix)] + suffix
