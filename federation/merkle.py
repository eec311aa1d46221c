"""The Merkle tree of RFC 9162: one root, and the path that proves one leaf.

Rule: a leaf is hashed behind 0x00, a node behind 0x01, so neither can pass for the other. A log that grows keeps the
roots of its complete blocks of `BLOCK` leaves: they are subtrees of every later tree.
Source: RFC 9162, sections 2.1.1 and 2.1.3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from hmac import compare_digest

from federation.errors import LocalError

BLOCK = 1024  # leaves; a power of two, as the tree asks for

_EMPTY = hashlib.sha256(b"").digest()


def hash_of(data: bytes) -> bytes:
    """The hash of one leaf, 32 bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _above(level: list[bytes]) -> list[bytes]:
    """The next level: pairs are joined, a last one without a partner rises as it is."""
    joined = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return joined + level[len(level) - len(level) % 2 :]


def root(leaves: Iterable[bytes]) -> bytes:
    """MTH over the leaves in their order, 32 bytes; of none it is SHA-256 of nothing."""
    return join([hash_of(data) for data in leaves])


def join(subtrees: Sequence[bytes]) -> bytes:
    """The root above subtrees of equal size, a power of two, of which the last may be smaller."""
    level = list(subtrees)
    if not level:
        return _EMPTY
    while len(level) > 1:
        level = _above(level)
    return level[0]


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """PATH(index): the hashes beside the way from the leaf up to the root. Raises LocalError outside the tree."""
    return path_above([hash_of(data) for data in leaves], index)


def path_above(subtrees: Sequence[bytes], index: int) -> list[bytes]:
    """The rest of such a path, from the root of the subtree that has the leaf; subtrees as `join` takes them."""
    if not 0 <= index < len(subtrees):
        raise LocalError("No such leaf.")
    path: list[bytes] = []
    level = list(subtrees)
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            path.append(level[beside])
        level, index = _above(level), index >> 1
    return path


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """True when `path` leads from leaf `index` of a tree of `size` leaves to `root`. Never raises.

    `leaf` is the data, not its hash. Source: RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size:
        return False
    position, last, reached = index, size - 1, hash_of(leaf)
    for beside in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            reached = _node(beside, reached)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            reached = _node(reached, beside)
        position, last = position >> 1, last >> 1
    return last == 0 and compare_digest(reached, root)
