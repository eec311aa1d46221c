"""Structured fields (RFC 9651), strictly: text -> dictionary and back, or Malformed.

Rule: a key that stands twice is refused, though the RFC lets the last one win: two readers must never
see two fields. Keys and parameters keep their order. A text is `str`, a token is `http_sf.Token`, bytes are
`bytes`: they never compare equal.
"""

from __future__ import annotations

from typing import Any, NoReturn, cast

import http_sf

from federation.errors import LocalError, Malformed

# An item is (bare value, parameters); an inner list is ([items], parameters).
Parameters = dict[str, Any]
Item = tuple[Any, Parameters]
InnerList = tuple[list[Item], Parameters]


def _twice(key: str, kind: str) -> NoReturn:
    raise Malformed(f"The {kind} key {key!r} stands twice.")


def dictionary(text: str) -> dict[str, Item]:
    """Key -> item or inner list, both as (value, parameters); raises Malformed."""
    try:
        read = http_sf.parse(text.encode("ascii"), tltype="dictionary", on_duplicate_key=_twice)
    except (ValueError, OverflowError) as error:
        raise Malformed("Not a dictionary of structured fields.") from error
    return cast("dict[str, Item]", read)


def member_text(member: Item | InnerList) -> str:
    """The canonical text of an item or inner list (RFC 9651, sections 4.1.1.1, 4.1.3); raises LocalError."""
    try:
        return http_sf.ser(cast("Any", [member]))
    except (TypeError, ValueError) as error:
        raise LocalError("This value has no form as a structured field.") from error
