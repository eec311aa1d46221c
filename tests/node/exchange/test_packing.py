"""What is kept for years comes back exactly, and is small."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.exchange.packing import pack, squeeze, unpack, unsqueeze
from tests.node.exchange.talk import Talk


@given(st.binary(max_size=3000))
def test_any_bytes_come_back(raw: bytes) -> None:
    assert unsqueeze(squeeze(raw)) == raw
    assert len(squeeze(raw)) <= len(raw) + 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_any_json_comes_back(value: object) -> None:
    assert unpack(pack(value)) == json.loads(json.dumps(value))


@pytest.mark.parametrize("unknown", [b"", b"\2abc"])
def test_refuses_an_unknown_form(unknown: bytes) -> None:
    with pytest.raises(ValueError, match="unknown form"):
        unpack(unknown)
    with pytest.raises(ValueError, match="unknown form"):
        unsqueeze(unknown)


def test_a_post_and_its_announce_take_less_than_two_kilobytes(talk: Talk) -> None:
    words = (
        "Le serrage des boulons du platelage est à reprendre avant vendredi, voir la feuille révisée. " * 3
    )
    said = talk.from_host(words)
    sizes = talk.fact(
        talk.aubier,
        "SELECT sum(length(raw) + length(iri) + length(digest)) FROM activity"
        " WHERE iri = :iri OR inside_id = (SELECT id FROM activity WHERE iri = :iri)",
        iri=said.id,
    )
    assert sizes < 2000
