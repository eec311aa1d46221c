"""The leaves of a document, and the same document with one of them changed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Path = tuple[Any, ...]


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of each leaf, by names and numbers; what is empty is a leaf."""
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from leaves(each, (*path, name))
    elif isinstance(value, list) and value:
        for number, each in enumerate(value):
            yield from leaves(each, (*path, number))
    else:
        yield path


def flipped(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """The document with the leaf at `path` changed, as little as can be: one bit of a text, one more of a number."""
    changed = copy.deepcopy(document)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    leaf = place[path[-1]]
    if isinstance(leaf, str):
        place[path[-1]] = (chr(ord(leaf[0]) ^ 1) + leaf[1:]) if leaf else "x"
    else:
        place[path[-1]] = not leaf if isinstance(leaf, bool) else 1 if leaf is None else leaf + 1
    return changed
