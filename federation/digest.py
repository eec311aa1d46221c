"""Digests: D(x) over canonical JSON, the same alphabet over raw bytes, Content-Digest of a body, and the
digest of followers that the fediverse compares.

Rule: SHA-256 only. A body is checked against every algorithm we know that its header names; the insecure
ones of the registry count as absent. The digest of followers finds accidents; it is no proof against a hostile
peer. Source: PROTOCOL 2.0; RFC 9530, section 5; FEP-8fcf; SECURITY TH-03.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hmac import compare_digest

from federation import iris, jcs, multibase, structured
from federation.errors import Malformed, Unauthentic

_SHA256_MULTIHASH = b"\x12\x20"
_KNOWN = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_UNSIGNED = frozenset({"proof", "signature"})


def _multihash(sha256: bytes) -> str:
    return multibase.encode(_SHA256_MULTIHASH + sha256)


def digest(value: object) -> str:
    """D(x): `z` + base58btc(0x12 0x20 || SHA-256(JCS(x))). Raises LocalError for what has no JCS form."""
    return _multihash(hashlib.sha256(jcs.canonicalize(value)).digest())


def digest_of_bytes(raw: bytes) -> str:
    """The `digestMultibase` of a file or of any raw bytes."""
    return _multihash(hashlib.sha256(raw).digest())


def object_digest(document: Mapping[str, object]) -> str:
    """D of a document without its own `proof` and `signature`."""
    return digest({key: value for key, value in document.items() if key not in _UNSIGNED})


def multibase_of(sha256: bytes) -> str:
    """The text of a SHA-256 of 32 bytes, in the form of D."""
    return _multihash(sha256)


def sha256_of(digest_multibase: str) -> bytes:
    """The 32 bytes inside a text in the form of D; raises Malformed."""
    raw = multibase.decode(digest_multibase)
    if len(raw) != len(_SHA256_MULTIHASH) + 32 or not raw.startswith(_SHA256_MULTIHASH):
        raise Malformed("Not a SHA-256 in multibase.")
    return raw[len(_SHA256_MULTIHASH) :]


def content_digest(body: bytes) -> str:
    """The Content-Digest of a body as we send it: `sha-256=:…:`."""
    return f"sha-256=:{b64encode(hashlib.sha256(body).digest()).decode('ascii')}:"


def check_content_digest(header: str, body: bytes) -> None:
    """Raise Unauthentic unless the header has a SHA-256 of `body`, and no other digest that we know is wrong."""
    if header == content_digest(body):
        return
    try:
        members = structured.dictionary(header)
    except Malformed as error:
        raise Unauthentic("Content-Digest is malformed.") from error
    if "sha-256" not in members:
        raise Unauthentic("Content-Digest has no sha-256.")
    for name, algorithm in _KNOWN.items():
        if name in members:
            given = members[name][0]
            if not isinstance(given, bytes) or not compare_digest(given, algorithm(body).digest()):
                raise Unauthentic(f"The {name} of the body is another one.")


_MEMBER = re.compile(r'\s*([A-Za-z]+)="([^"\\]*)"\s*')
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Synchronization:
    """What a `Collection-Synchronization` field says; `digest` is 64 hexadecimal digits."""

    collection_id: str
    url: str
    digest: str

    def __str__(self) -> str:
        return f'collectionId="{self.collection_id}", url="{self.url}", digest="{self.digest}"'


def followers_of(ids: Iterable[str], authority: str) -> tuple[str, ...]:
    """Those of the ids, each once, whose origin is that of `authority`; raises Malformed for what is no IRI."""
    origin = iris.origin(authority)
    return tuple(name for name in dict.fromkeys(ids) if iris.origin(name) == origin)


def followers_digest(ids: Iterable[str]) -> str:
    """XOR of the SHA-256 of each id, each once, as 64 hexadecimal digits; 64 zeros for none."""
    total = 0
    for name in set(ids):
        total ^= int.from_bytes(hashlib.sha256(name.encode("utf-8")).digest(), "big")
    return f"{total:064x}"


def read_synchronization(header: str) -> Synchronization:
    """Read `Collection-Synchronization`; raises Malformed unless its three members stand in it once each."""
    members: dict[str, str] = {}
    for part in header.split(","):
        match = _MEMBER.fullmatch(part)
        if not match or match[1] in members:
            raise Malformed("Collection-Synchronization is malformed.")
        members[match[1]] = match[2]
    if members.keys() != {"collectionId", "url", "digest"} or not _HEX_DIGEST.fullmatch(members["digest"]):
        raise Malformed("Collection-Synchronization is malformed.")
    return Synchronization(members["collectionId"], members["url"], members["digest"])
