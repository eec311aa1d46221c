"""Sealed is sealed: for its purpose, under its key, whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core import ids
from node.core.secrets import DoesNotOpen, Vault, hash_of, new_secret, same

KEY = bytes(range(32))
VAULT = Vault(KEY)


@given(st.binary(max_size=200), st.text(max_size=40))
def test_what_was_sealed_opens_for_its_purpose(plain: bytes, purpose: str) -> None:
    assert VAULT.open(VAULT.seal(plain, purpose), purpose) == plain


def test_refuses_another_purpose() -> None:
    with pytest.raises(DoesNotOpen):
        VAULT.open(VAULT.seal(b"key of one", "actor:1"), "actor:2")


def test_refuses_another_key() -> None:
    with pytest.raises(DoesNotOpen):
        Vault(KEY[::-1]).open(VAULT.seal(b"x", "p"), "p")


@given(st.integers(0, 1000), st.integers(1, 255))
def test_no_changed_byte_passes(position: int, flip: int) -> None:
    sealed = bytearray(VAULT.seal(b"a private key", "actor:1"))
    sealed[position % len(sealed)] ^= flip
    with pytest.raises(DoesNotOpen):
        VAULT.open(bytes(sealed), "actor:1")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + bytes(12), b"\x02" + bytes(40)])
def test_refuses_what_was_never_sealed(sealed: bytes) -> None:
    with pytest.raises(DoesNotOpen):
        VAULT.open(sealed, "p")


def test_the_same_twice_is_sealed_differently() -> None:
    assert VAULT.seal(b"x", "p") != VAULT.seal(b"x", "p")


def test_purposes_have_keys_of_their_own() -> None:
    assert VAULT.derived("csrf") == Vault(KEY).derived("csrf")
    assert len({VAULT.derived("csrf"), VAULT.derived("seal"), KEY}) == 3


def test_secrets_and_ids_are_random_and_long() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
    assert len(new_secret()) == 43
    assert len(ids.wire_id()) == ids.WIRE_ID_CHARS
    assert len(hash_of("x")) == 64


def test_same_compares_whole_texts() -> None:
    assert same("é", "é")
    assert not same("a", "aa")
