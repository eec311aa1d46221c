"""Strict JSON: bytes -> dict, or Malformed; and the few ways to read a property of AS2.

Rule: nothing here trusts its input. Plain JSON only, no `@context` is ever read for meaning.
Source: RFC 8259; RFC 7493 (I-JSON); PROTOCOL 2.k step 3; SECURITY TH-31, A6.
"""

from __future__ import annotations

import json
import math
import re
from json.decoder import scanstring  # type: ignore[attr-defined]  # not in typeshed
from typing import Any, NoReturn

from federation.errors import LocalError, Malformed
from federation.limits import MAX_JSON_DEPTH, MAX_KEY_CHARS, MAX_SAFE_INTEGER

PUBLIC = frozenset({"https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"})

_ADDRESSING = ("to", "cc", "bto", "bcc", "audience")
_HIDDEN = frozenset({"bto", "bcc"})
_GRAPH_KEYWORDS = frozenset({"@graph", "@included", "@reverse", "@nest"})

_BOM = b"\xef\xbb\xbf"
# All between two brackets, strings whole. One that never ends runs to the end of the text, so that its
# quotes are not tried one by one; the possessive marks keep the search linear.
_BETWEEN_BRACKETS = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))++', re.DOTALL)
_ONE_KIND = bytes.maketrans(b"{}", b"[]")  # whether they match is left to the parser
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE = b"\\u"  # what may stand for any letter: then only the document itself tells
_MAX_INTEGER_CHARS = len(str(-MAX_SAFE_INTEGER))


def _within_depth(data: bytes) -> bool:
    """True when brackets outside strings close, and nest at most MAX_JSON_DEPTH deep. Linear, no recursion."""
    if data.count(b"[") + data.count(b"{") <= MAX_JSON_DEPTH:
        return True
    brackets = _BETWEEN_BRACKETS.sub(b"", data).translate(_ONE_KIND)
    for _ in range(MAX_JSON_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    return not brackets


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise Malformed("A key stands twice in an object.")
    if document and max(map(len, document)) > MAX_KEY_CHARS:
        raise Malformed(f"A key is longer than {MAX_KEY_CHARS} characters.")
    return document


def _integer(text: str) -> int:
    if len(text) <= _MAX_INTEGER_CHARS:
        value = int(text)
        if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            return value
    raise Malformed("An integer lies beyond 2^53.")


def _decimal(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise Malformed("A number is too large.")
    return value


def _no_decimal(_text: str) -> NoReturn:
    raise Malformed("A number is not an integer.")


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON.")


_integers_only = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_no_decimal, parse_constant=_no_constant
).decode
_with_decimals = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_decimal, parse_constant=_no_constant
).decode
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def loads_any(data: bytes, *, floats: bool = False) -> object:
    """Read `data` as strict JSON, whatever stands at the top; raises Malformed.

    Refused: a byte order mark, bytes that are not UTF-8, a key that stands twice or has more than 256
    characters, NaN and infinities, integers beyond 2^53, lone surrogates, more than 32 levels, and
    numbers that are no integers unless `floats`. The caller has bounded the size.
    """
    if data.startswith(_BOM):
        raise Malformed("The text begins with a byte order mark.")
    if not _within_depth(data):
        raise Malformed(f"Brackets do not close, or nest deeper than {MAX_JSON_DEPTH} levels.")
    try:
        value: object = (_with_decimals if floats else _integers_only)(data.decode("utf-8"))
        if _SURROGATE_ESCAPE.search(data):
            _compact(value).encode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("The text is not UTF-8.") from error
    except UnicodeEncodeError as error:
        raise Malformed("Half of a surrogate pair stands alone.") from error
    except ValueError as error:
        raise Malformed("The text is not JSON.") from error
    return value


def loads(data: bytes, *, floats: bool = False) -> dict[str, Any]:
    """Read `data` as one JSON object, as strictly as `loads_any`; raises Malformed."""
    value = loads_any(data, floats=floats)
    if not isinstance(value, dict):
        raise Malformed("A JSON object is wanted at the top.")
    return value


def dumps(document: object) -> bytes:
    """What we emit: compact UTF-8, keys in their order. Raises LocalError for what JSON cannot hold."""
    try:
        return _compact(document).encode("utf-8")
    except (TypeError, ValueError) as error:
        raise LocalError("This value has no JSON form.") from error


def refuse_jsonld_keywords(document: object) -> None:
    """Raise Malformed where JSON-LD could move or rename what a plain reader sees (SECURITY A6).

    Refused at any depth: `@graph`, `@included`, `@reverse`, `@nest`, and an object inside `@context`.
    """
    stack = [document]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if not _GRAPH_KEYWORDS.isdisjoint(value):
                raise Malformed("A document must not use the graph keywords of JSON-LD.")
            if any(not isinstance(item, str) for item in as_list(value.get("@context"))):
                raise Malformed("A document must not define terms in its @context.")
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)


def as_list(value: object) -> list[Any]:
    """A property as a list: absent is [], one value is [value]."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def id_of(value: object) -> str | None:
    """The id of one reference: a text, or an object with a text as `id`; None for all else, lists too."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) else None


def ids(value: object) -> tuple[str, ...]:
    """The ids of a property in their order: text, object or list of them; what has no id is left out."""
    if isinstance(value, str):
        return (value,)
    found: list[str] = []
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(reversed(item))
        elif (name := id_of(item)) is not None:
            found.append(name)
    return tuple(found)


def types(document: object) -> tuple[str, ...]:
    """The types of a document: `type` as a text or a list of texts; () for all else."""
    value = document.get("type") if isinstance(document, dict) else None
    return tuple(item for item in as_list(value) if isinstance(item, str))


def addresses(document: dict[str, Any]) -> tuple[str, ...]:
    """The ids in `to`, `cc`, `bto`, `bcc` and `audience` of this level alone, in this order."""
    return tuple(name for key in _ADDRESSING if key in document for name in ids(document[key]))


def without_hidden(document: Any) -> Any:
    """The same without `bto` and `bcc`, at any level."""
    if isinstance(document, dict):
        return {key: without_hidden(value) for key, value in document.items() if key not in _HIDDEN}
    if isinstance(document, list):
        return [without_hidden(value) for value in document]
    return document


def may_hide(raw: bytes) -> bool:
    """Whether the bytes of a document can have a `bto` or `bcc`: most show at once that they do not."""
    return b"bto" in raw or b"bcc" in raw or _ESCAPE in raw


def is_public(document: object, raw: bytes = _ESCAPE) -> bool:
    """True when a spelling of Public stands in the addressing of the document or of anything inside it.

    `raw` are the bytes that were read as `document`: most show at once that it does not.
    """
    if b"Public" not in raw and _ESCAPE not in raw:
        return False
    stack = [document]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if not PUBLIC.isdisjoint(addresses(value)):
                return True
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    return False


def span_of(data: bytes, key: str) -> tuple[int, int]:
    """Where the value of a top-level `key` stands in the bytes of a document that `loads` took.

    So that a received object can be kept and spliced in unchanged (FEP-1b12). Raises Malformed when
    the document has no such key.
    """
    text = data.decode()
    position = _SPACE.match(text, text.index("{") + 1).end()  # type: ignore[union-attr]  # matches always
    while text[position] == '"':
        name, position = scanstring(text, position + 1)
        start = _COLON.match(text, position).end()  # type: ignore[union-attr]  # strict JSON has one
        _, end = _VALUE.raw_decode(text, start)
        if name == key:
            return (start, end) if text.isascii() else (len(text[:start].encode()), len(text[:end].encode()))
        position = _COMMA.match(text, end).end()  # type: ignore[union-attr]
    raise Malformed(f"`{key}` is missing.")


_SPACE = re.compile(r"[ \t\n\r]*")
_COLON = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
_COMMA = re.compile(r"[ \t\n\r]*,?[ \t\n\r]*")
_VALUE = json.JSONDecoder()
