"""HTTP messages as values: what the walks see of a request or a response. No I/O.

Rule: header names compare without case; a field that stands several times is joined by ", " as
RFC 9421, section 2.1, wants it. `url` is the whole target URI as the *receiver* knows itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


class Headers:
    """Header fields in order, as received (RFC 9110, section 5)."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = tuple((name, value) for name, value in pairs)

    def get(self, name: str) -> str | None:
        """The combined value of `name`: each line trimmed, joined by ", "; None when absent."""
        wanted = name.lower()
        values = [value.strip(" \t") for key, value in self._pairs if key.lower() == wanted]
        return ", ".join(values) if values else None

    def with_(self, *pairs: tuple[str, str]) -> Headers:
        """These headers, with `pairs` in place of any of the same names."""
        replaced = {name.lower() for name, _ in pairs}
        kept = [pair for pair in self._pairs if pair[0].lower() not in replaced]
        return Headers([*kept, *pairs])

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._pairs == other._pairs

    def __hash__(self) -> int:
        return hash(self._pairs)

    def __repr__(self) -> str:
        return f"Headers({list(self._pairs)!r})"


@dataclass(frozen=True, slots=True)
class Request:
    """A request, sent or received."""

    method: str
    url: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """A response, sent or received.

    `proved`, of an answer of ours: the sender of the request had proved itself, whatever it is told.
    """

    status: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    proved: bool = field(default=False, compare=False)
