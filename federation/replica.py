"""What two copies of a space must agree on: leaves, 256 buckets, one root.

Rule: pure. A leaf falls into the bucket of the first byte of SHA-256(id) and stands there in the order of
SHA-256(id); bucket and root are trees of RFC 9162. Source: PROTOCOL 2.c.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal

from federation import jcs, merkle

BUCKETS = 256

LeafState = Literal["live", "tombstone", "member", "left"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One object or member of a space: `rev` is the last activity that changed it, `digest` D(object)."""

    id: str
    rev: int
    state: LeafState
    digest: str

    @property
    def data(self) -> bytes:
        """What is hashed into the tree: JCS of the four members."""
        return jcs.canonicalize({"id": self.id, "rev": self.rev, "state": self.state, "digest": self.digest})


def buckets(leaves: Iterable[Leaf]) -> list[bytes]:
    """The 256 bucket hashes of 32 bytes; of an empty bucket it is SHA-256 of nothing."""
    filled: dict[int, list[tuple[bytes, bytes]]] = {}
    for leaf in leaves:
        place = hashlib.sha256(leaf.id.encode()).digest()
        filled.setdefault(place[0], []).append((place, leaf.data))
    return [
        merkle.root(data for _, data in sorted(filled.get(number, ()), key=itemgetter(0)))
        for number in range(BUCKETS)
    ]


def root(bucket_hashes: Sequence[bytes]) -> bytes:
    """The root over the 256 bucket hashes, 32 bytes."""
    return merkle.root(bucket_hashes)


def differing(ours: Sequence[bytes], theirs: Sequence[bytes]) -> list[int]:
    """The numbers of the buckets in which two copies differ."""
    return [number for number in range(BUCKETS) if ours[number] != theirs[number]]
