"""Structured fields: strict reading, canonical writing."""

from __future__ import annotations

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import structured
from federation.errors import LocalError, Malformed


@pytest.mark.parametrize(
    "text",
    [
        "a=",
        "a=1,",
        ",a=1",
        "a=1 b=2",
        "a=1, a=1",
        "a=1;b=1;b=2",
        'a=("x";k;k)',
        "A=1",
        'a="x',
        'a="\\n"',
        'a="é"',
        "a=:é:",
        "a=:A=A:",
        "a=:AA",
        "a=(1",
        "a=(1,2)",
        "a=1000000000000000",
        "a=1.0000",
        "a=@99999999999999",
        "a=1\tb",
        "a=1\x00",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(Malformed):
        structured.dictionary(text)


def test_reads_items_and_inner_lists_with_their_parameters_in_order() -> None:
    read = structured.dictionary('sig=("@method" "signature";req;key="a");created=1;tag="t", n=:AAE=:;x, b')
    items = [("@method", {}), ("signature", {"req": True, "key": "a"})]
    assert read == {
        "sig": (items, {"created": 1, "tag": "t"}),
        "n": (b"\0\x01", {"x": True}),
        "b": (True, {}),
    }
    assert list(read["sig"][1]) == ["created", "tag"]


def test_a_token_is_no_text() -> None:
    assert not isinstance(structured.dictionary("a=ed25519")["a"][0], str)


def test_writes_the_canonical_form() -> None:
    assert structured.member_text(([("@method", {}), ("b", {"req": True})], {"created": 1, "k": 'a"\\'})) == (
        '("@method" "b";req);created=1;k="a\\"\\\\"'
    )
    assert structured.member_text((True, {"a": False})) == "?1;a=?0"
    assert structured.member_text((http_sf.Token("x"), {"b": b"\0"})) == "x;b=:AA==:"


@pytest.mark.parametrize("value", ["é", "\n", object(), 10**15])
def test_what_has_no_form_is_our_fault(value: object) -> None:
    with pytest.raises(LocalError):
        structured.member_text((value, {}))


@given(st.text(alphabet=st.sampled_from('ab=,;()":\\ \t1@?%.-é'), max_size=30))
def test_texts_of_strangers_are_read_or_malformed(text: str) -> None:
    try:
        members = structured.dictionary(text)
    except Malformed:
        return
    for name, member in members.items():
        assert structured.dictionary(f"{name}={structured.member_text(member)}") == {name: member}
