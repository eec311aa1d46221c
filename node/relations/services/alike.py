"""Whether a host looks like one that is known already.

Rule: two hosts are alike when their skeletons are equal and they are not; a skeleton is what is left for a
hurried eye. Source: UTS 39, section 4 (the idea; its table cut down to what may stand in host names of
Latin, Greek and Cyrillic script); SECURITY TH-17.
"""

# ruff: noqa: RUF001 -- letters that look alike are what this is about

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

# One letter each; what NFKD takes apart (accents, full width, ligatures) needs no row.
_SAME = str.maketrans(
    {
        **dict.fromkeys("0оοσ", "o"),
        **dict.fromkeys("1iіιıӏ|", "l"),
        **dict.fromkeys("аα", "a"),
        **dict.fromkeys("еєё", "e"),
        **dict.fromkeys("сϲ", "c"),
        **dict.fromkeys("рρ", "p"),
        **dict.fromkeys("хχ", "x"),
        **dict.fromkeys("уγү", "y"),
        **dict.fromkeys("ѕ5", "s"),
        **dict.fromkeys("ј", "j"),
        **dict.fromkeys("һн", "h"),
        **dict.fromkeys("ԁ", "d"),
        **dict.fromkeys("вβß8", "b"),
        **dict.fromkeys("кκ", "k"),
        **dict.fromkeys("тτ", "t"),
        **dict.fromkeys("мμ", "m"),
        **dict.fromkeys("пη", "n"),
        **dict.fromkeys("ѵνυ", "v"),
        **dict.fromkeys("ԝω", "w"),
        **dict.fromkeys("ɡ9", "g"),
        **dict.fromkeys("2", "z"),
        "-": None,
        "_": None,
    }
)
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))


def skeleton(host: str) -> str:
    """What `host` (A-labels or letters) looks like: `n0rd-acier.example` gives the same as `nordacier.example`."""
    letters = ".".join(map(_unicode, host.split(".")))
    plain = "".join(c for c in unicodedata.normalize("NFKD", letters) if not unicodedata.combining(c))
    seen = plain.casefold().translate(_SAME)
    for pair, one in _PAIRS:
        seen = seen.replace(pair, one)
    return seen


def alike(host: str, known: Iterable[str]) -> str:
    """The first of `known` that `host` could be taken for; "" when there is none, or it is that host itself."""
    hosts = list(known)
    if host in hosts:
        return ""
    seen = skeleton(host)
    return next((each for each in hosts if skeleton(each) == seen), "")


def is_foreign_script(host: str) -> bool:
    """Whether people should see the host in punycode, with a warning."""
    return any(label.startswith("xn--") for label in host.split("."))


def _unicode(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label.removeprefix("xn--").encode("ascii").decode("punycode")
    except UnicodeError:
        return label
