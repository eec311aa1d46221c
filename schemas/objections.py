"""What a schema objects to, in one sentence that names the places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema

MAX_CHARS = 500


def objections(schema: Schema, document: Mapping[str, Any]) -> str:
    """What is wrong with `document` by this schema, at most 500 characters; "" when nothing is."""
    wrong = schema.validate(document)
    return "; ".join(f"{place}: {what}" for place, what in sorted(_leaves(wrong)))[:MAX_CHARS]


def _leaves(wrong: Any, place: str = "") -> list[tuple[str, str]]:
    if isinstance(wrong, dict):
        return [leaf for key, value in wrong.items() for leaf in _leaves(value, f"{place}.{key}".lstrip("."))]
    return [(place, str(each)) for each in wrong]
