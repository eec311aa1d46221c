"""JSON Canonicalization Scheme (RFC 8785): one value, one sequence of bytes.

Rule: byte-equal to the RFC for every value, or LocalError. The fast path is plain sorted JSON, which is the
same bytes as long as there are no floats, no integers beyond 2^53 and no keys outside ASCII.
"""

from __future__ import annotations

import json

import rfc8785

from federation.errors import LocalError
from federation.limits import MAX_SAFE_INTEGER

_sorted_compact = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode


def _plain(value: object) -> bool:
    """True when sorted compact JSON of `value` is its canonical form."""
    kind = type(value)
    if kind is str:
        return True
    if kind is dict:
        for key, member in value.items():  # type: ignore[attr-defined]
            if type(key) is not str or not key.isascii():
                return False
            if type(member) is not str and not _plain(member):
                return False
        return True
    if kind is list:
        return all(type(item) is str or _plain(item) for item in value)  # type: ignore[attr-defined]
    if kind is int:
        return -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER  # type: ignore[operator]
    return value is None or kind is bool


def canonicalize(value: object) -> bytes:
    """The canonical form of a JSON value. Raises LocalError for what has none.

    Without one are: NaN, infinities, integers beyond 2^53, lone surrogates, keys that are no texts, and
    Python values that are not JSON. A stranger's document has none of them once `documents.loads` took it.
    """
    try:
        if _plain(value):
            return _sorted_compact(value).encode("utf-8")
        return rfc8785.dumps(value)  # type: ignore[arg-type]
    except (ValueError, RecursionError) as error:
        raise LocalError("This value has no canonical form.") from error
