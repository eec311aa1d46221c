"""RFC 9162: roots and paths against the recursive text of the RFC."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import merkle
from federation.errors import LocalError


def _mth(leaves: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _mth(leaves[:k]) + _mth(leaves[k:])).digest()


_leaves = st.lists(st.binary(max_size=8), min_size=1, max_size=40)


@given(st.lists(st.binary(max_size=8), max_size=40))
def test_the_root_is_the_recursive_hash(leaves: list[bytes]) -> None:
    assert merkle.root(leaves) == _mth(leaves)


@given(_leaves, st.data())
def test_a_path_proves_its_leaf_and_no_other(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, path, size = merkle.root(leaves), merkle.inclusion_path(leaves, index), len(leaves)
    assert merkle.verify_inclusion(leaves[index], index, size, path, root)
    assert not merkle.verify_inclusion(leaves[index] + b"x", index, size, path, root)
    assert not merkle.verify_inclusion(leaves[index], index, size, [*path, b"\0" * 32], root)
    assert not merkle.verify_inclusion(leaves[index], size, size, path, root)
    assert not merkle.verify_inclusion(leaves[index], -1, size, path, root)
    if path:
        assert not merkle.verify_inclusion(leaves[index], index, size, path[:-1], root)
        wrong = data.draw(st.integers(0, len(path) - 1))
        changed = [bytes([p[0] ^ 1]) + p[1:] if i == wrong else p for i, p in enumerate(path)]
        assert not merkle.verify_inclusion(leaves[index], index, size, changed, root)


@pytest.mark.parametrize("index", [-1, 3])
def test_a_leaf_outside_the_tree_is_our_fault(index: int) -> None:
    with pytest.raises(LocalError):
        merkle.inclusion_path([b"a", b"b", b"c"], index)


@given(st.integers(1, 60), st.data())
def test_blocks_that_were_kept_lead_to_the_same_root_and_paths(size: int, data: st.DataObject) -> None:
    leaves, block = [bytes([number]) for number in range(size)], 8
    parts = [leaves[first : first + block] for first in range(0, size, block)]
    roots = [merkle.root(part) for part in parts]
    assert merkle.join(roots) == merkle.root(leaves)
    number, index = divmod(data.draw(st.integers(0, size - 1)), block)
    path = [*merkle.inclusion_path(parts[number], index), *merkle.path_above(roots, number)]
    assert path == merkle.inclusion_path(leaves, number * block + index)
