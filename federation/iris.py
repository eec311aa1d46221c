"""One parser of IRIs, one canonical host, one notion of origin.

Rule: a spelling has one canonical form or is refused; nothing is repaired. Peers are reached by name, so
addresses are no hosts. Allow list, authority and fetcher all compare what this module gives.
Source: RFC 3986, RFC 5891 (IDNA2008), RFC 6454; PROTOCOL 2.0, *Development profile*; SECURITY B7, E20, TH-33.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna

from federation.errors import Malformed
from federation.limits import MAX_HOST_CHARS, MAX_IRI_CHARS

_DEFAULT_PORTS = {"https": 443, "http": 80}
_MAX_PORT = 65535

_PLAIN = r"[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2}"
_IRI = re.compile(
    r"(?P<scheme>[A-Za-z]{4,5})://(?P<authority>[^/?#]++)"
    rf"(?P<path>(?:/(?:{_PLAIN})*+)?)"
    rf"(?:\?(?P<query>(?:{_PLAIN}|\?)*+))?(?:#(?P<fragment>(?:{_PLAIN}|\?)*+))?"
)
_DOT_SEGMENT = re.compile(r"/(?:\.|%2[eE]){1,2}(?:/|$)")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")

# Scripts that one language writes together; all else must not share a label (UTS 39, section 5.2).
_JAPANESE = frozenset({"CJK", "HIRAGANA", "KATAKANA"})
_KOREAN = frozenset({"CJK", "HANGUL"})
_TAIWANESE = frozenset({"CJK", "BOPOMOFO"})
_SCRIPT_ALIASES = {"IDEOGRAPHIC": "CJK", "KATAKANA-HIRAGANA": "KATAKANA"}


@dataclass(frozen=True, slots=True)
class Iri:
    """An absolute IRI in parts: scheme and host canonical, port always a number, the rest as written."""

    scheme: str
    host: str
    port: int
    path: str
    query: str | None = None
    fragment: str | None = None

    @property
    def authority(self) -> str:
        """`host`, or `host:port` where the port is not the scheme's own."""
        return self.host if self.port == _DEFAULT_PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """`scheme://host`, or `scheme://host:port` where the port is not the scheme's own."""
        return f"{self.scheme}://{self.authority}"

    @property
    def target(self) -> str:
        """What stands in the request line: path and query."""
        path = self.path or "/"
        return path if self.query is None else f"{path}?{self.query}"


def _script(character: str) -> str | None:
    """The script of a letter as Unicode names it; None for digits, hyphens and marks, which go with all."""
    if not character.isalpha():
        return None
    word = unicodedata.name(character, "UNNAMED").partition(" ")[0]  # Python has no names for Tangut
    return _SCRIPT_ALIASES.get(word, word)


def _mixes_scripts(label: str) -> bool:
    scripts = {script for script in map(_script, label) if script}
    return len(scripts) > 1 and not any(scripts <= together for together in (_JAPANESE, _KOREAN, _TAIWANESE))


def _international(label: str) -> str:
    """The A-label of a label that is not plain ASCII, or is an A-label already; raises Malformed.

    Scripts may mix in an A-label alone: in that form nobody takes it for another name, and admins are warned.
    """
    try:
        written = idna.decode(label, strict=True) if label.startswith("xn--") else label
        name = idna.encode(written, strict=True).decode("ascii")
    except UnicodeError as error:
        raise Malformed("A label of the host is not a name of IDNA2008.") from error
    if label.isascii() and name != label:
        raise Malformed("A label of the host is not in its canonical form.")
    if not label.isascii() and _mixes_scripts(written):
        raise Malformed("A label of the host mixes scripts.")
    return name


@lru_cache(maxsize=4096)
def canonical_host(text: str) -> str:
    """The host as lower-case A-labels; raises Malformed.

    Refused: more than 253 characters, an empty label (so a dot at the end), full-width dots, percent signs,
    labels whose letters mix scripts, and all that a resolver could take for an address: decimal, octal,
    hexadecimal, shortened.
    """
    if len(text) > MAX_HOST_CHARS:
        raise Malformed(f"The host is longer than {MAX_HOST_CHARS} characters.")
    # Only ASCII is folded: IDNA2008 refuses other capitals, and so do we (U+212A folds to "k").
    host = "".join(c.lower() if c.isascii() else c for c in text) if not text.isascii() else text.lower()
    if not host.isascii() or "xn--" in host:
        host = ".".join(
            label if label.isascii() and not label.startswith("xn--") else _international(label)
            for label in host.split(".")
        )
    if len(host) > MAX_HOST_CHARS or not _NAME.fullmatch(host):
        raise Malformed("The host is not a name.")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        raise Malformed("The host is a number, not a name.")
    if any(label[2:4] == "--" and not label.startswith("xn--") for label in labels):
        raise Malformed("A label of the host is reserved (RFC 5891, section 4.2.3.1).")
    return host


@lru_cache(maxsize=4096)
def _authority(scheme: str, authority: str) -> tuple[str, int, str]:
    """(host, port, origin) of `scheme://authority`; raises Malformed. Errors are not remembered."""
    name, colon, digits = authority.partition(":")
    if colon and (not _PORT.fullmatch(digits) or int(digits) > _MAX_PORT):
        raise Malformed("The port is not a number from 1 to 65535.")
    host = canonical_host(name)
    if scheme == "http" and host != "localhost" and not host.endswith(".localhost"):
        raise Malformed("Only https is spoken.")
    port = int(digits) if colon else _DEFAULT_PORTS[scheme]
    return host, port, Iri(scheme, host, port, "").origin


def _split(iri: str) -> tuple[re.Match[str], str]:
    if len(iri) > MAX_IRI_CHARS:
        raise Malformed(f"An IRI is longer than {MAX_IRI_CHARS} characters.")
    match = _IRI.fullmatch(iri)
    if not match or (scheme := match["scheme"].lower()) not in _DEFAULT_PORTS:
        raise Malformed("Not an absolute https IRI.")
    if "/." in iri or "/%2" in iri:
        _refuse_dot_segments(match["path"])
    return match, scheme


def _refuse_dot_segments(path: str) -> None:
    if _DOT_SEGMENT.search(path):
        raise Malformed("The path of an IRI has dot segments.")


def parse(iri: str, *, development: bool = False) -> Iri:
    """Read an absolute https IRI; raises Malformed.

    `http` is taken only with `development`, and there only for `localhost` and names under it.
    """
    match, scheme = _split(iri)
    if scheme == "http" and not development:
        raise Malformed("Only https is spoken.")
    host, port, _ = _authority(scheme, match["authority"])
    return Iri(scheme, host, port, match["path"], match["query"], match["fragment"])


@lru_cache(maxsize=1024)  # an IRI is asked several times while its line is read
def origin(iri: str) -> str:
    """The origin of an IRI, canonical: `https://host[:port]`, or `http://NAME.localhost[:port]`.

    Raises Malformed. Whether http is spoken here at all, `parse` decides at the door.
    """
    match, scheme = _split(iri)
    return _authority(scheme, match["authority"])[2]


@lru_cache(maxsize=1024)
def check_canonical(iri: str) -> None:
    """That scheme, host and port are written in the one way that `origin` gives; raises Malformed.

    So that one thing has one name: ids are compared as texts (SECURITY B7, TH-12).
    """
    written = origin(iri)
    if not iri.startswith(written) or iri[len(written) : len(written) + 1] not in {"", "/", "?", "#"}:
        raise Malformed(f"The origin of an IRI is written as {written}.")


def same_origin(a: str, b: str) -> bool:
    """True when both have one origin (RFC 6454); raises Malformed when either is no IRI."""
    return origin(a) == origin(b)
