"""E-mail domains: for which of them a node may speak, as the DNS says (PROTOCOL 2.a, step 4).

Rule: pure but for `Resolver`, which the host gives; asked in the background, never while something is received.
Source: PROTOCOL 2.a.4, 2.d (L0).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from federation import iris
from federation.errors import EgressError, Malformed
from federation.keys import PublicKey, fingerprint

LABEL = "_extranet-node"
VERSION = "xn1"
MAX_RECORDS = 20


class Unresolved(EgressError):
    """The DNS did not answer: nothing is known, neither yes nor no."""


class Resolver(Protocol):
    """What a host answers about the DNS."""

    def texts(self, name: str) -> Sequence[str]:
        """The TXT records of `name`, each whole; none when it has none. Raises Unresolved."""


def record(node: str, key: PublicKey) -> str:
    """The TXT record by which a domain says that this node speaks for it."""
    return f"v={VERSION}; node={node}; k={fingerprint(key.raw)}"


def name_of(domain: str) -> str:
    """Where that record stands. Raises Malformed when `domain` is no name of a host."""
    return f"{LABEL}.{iris.canonical_host(domain)}"


def speaks_for(node: str, keys: Iterable[PublicKey], domain: str, resolver: Resolver) -> bool:
    """Whether `domain` names this node, with one of its keys.

    Raises Unresolved when the DNS does not answer.
    """
    try:
        name = name_of(domain)
    except Malformed:
        return False
    wanted = {(node, fingerprint(each.raw)) for each in keys}
    return any(_names(text) in wanted for text in resolver.texts(name)[:MAX_RECORDS])


def _names(text: str) -> tuple[str, str] | None:
    """Node and fingerprint of a record; None for a record that is none of ours. Unknown members are ignored."""
    members = [part.strip().partition("=") for part in text.split(";") if part.strip()]
    if not members or members[0] != ("v", "=", VERSION):
        return None
    said = {name: value for name, _, value in members}
    if len(said) != len(members):
        return None
    return said.get("node", ""), said.get("k", "")
