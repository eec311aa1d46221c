"""Strict JSON: what is refused, what is read, and how long it takes at worst."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import documents
from federation.errors import LocalError, Malformed
from federation.limits import MAX_SAFE_INTEGER

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=20), inner, max_size=5),
    max_leaves=30,
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a":1}x', "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":1,}', "not JSON"),
        (b'{"a":01}', "not JSON"),
        (b'{"a":+1}', "not JSON"),
        (b'{"a":"\n"}', "not JSON"),
        (b'{"a":"\\x"}', "not JSON"),
        (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "UTF-8"),
        ('{"a":1}'.encode("utf-16"), "UTF-8"),
        (b'{"a":1,"a":2}', "twice"),
        (b'{"b":{"a":1,"\\u0061":2}}', "twice"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":Infinity}', "Infinity"),
        (b'{"a":-Infinity}', "-Infinity"),
        (b'{"a":9007199254740992}', "beyond"),
        (b'{"a":-9007199254740992}', "beyond"),
        (b'{"a":' + b"9" * 5000 + b"}", "beyond"),
        (b'{"a":1.0}', "integer"),
        (b'{"a":1e3}', "integer"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"\\uDC00":1}', "surrogate"),
        (b'{"a":"\\udc00\\ud800"}', "surrogate"),
        (b'{"' + b"k" * 257 + b'":1}', "256"),
        (b"[]", "object"),
        (b'"text"', "object"),
        (b"1", "object"),
        (b"null", "object"),
        (b"[" * 33 + b"]" * 33, "33|32"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "32"),
        (b"[" * 20_000 + b"]" * 20_000, "32"),
        (b"[" * 40 + b"]" * 39, "close"),
        (b'{"a":[' + b"[]," * 40 + b"[}]}", "not JSON"),
    ],
)
def test_refuses(text: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        documents.loads(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"{}", {}),
        (b' {"a" : [1, -0, true, null, "\\u00e9"]}\n', {"a": [1, 0, True, None, "é"]}),
        (b'{"a":9007199254740991,"b":-9007199254740991}', {"a": MAX_SAFE_INTEGER, "b": -MAX_SAFE_INTEGER}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
        (b'{"' + b"k" * 256 + b'":1}', {"k" * 256: 1}),
        (b'{"a":' * 31 + b"[1]" + b"}" * 31, None),
        (b'{"a":[' + b'"]]]]{{{{","\\"[[[",' * 40 + b"1]}", None),
    ],
)
def test_reads(text: bytes, value: dict[str, Any] | None) -> None:
    assert documents.loads(text) == (json.loads(text) if value is None else value)


def test_reads_decimals_where_asked() -> None:
    assert documents.loads(b'{"a":1.5,"b":1e3}', floats=True) == {"a": 1.5, "b": 1000.0}
    with pytest.raises(Malformed, match="too large"):
        documents.loads(b'{"a":1e999}', floats=True)


def test_any_value_may_stand_at_the_top_where_asked() -> None:
    assert documents.loads_any(b"[1]") == [1]
    assert documents.loads_any(b"1") == 1


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 20_000 + b"]" * 20_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b"[{" * 5_000_000,
        b"[" * 33 + b'"' + b'\\"' * 5_000_000,
        b"[" * 33 + b'"' + b"\\" * 10_000_001,
        b"[" * 33 + b'"' * 10_000_001,
        b"[" * 33 + b'"",' * 3_000_000,
        b"[" * 33 + b"0," * 5_000_000,
        b'{"a":"' + b"x" * 10_000_000 + b'"}',
    ],
)
def test_ten_mebibytes_are_judged_at_once(text: bytes) -> None:
    began = time.process_time()
    with contextlib.suppress(Malformed):
        documents.loads(text)
    assert time.process_time() - began < 1.0


@given(st.binary(max_size=200))
def test_bytes_of_strangers_are_read_or_malformed(data: bytes) -> None:
    try:
        value = documents.loads_any(data, floats=True)
    except Malformed:
        return
    assert documents.loads_any(documents.dumps(value), floats=True) == value


@given(st.dictionaries(st.text(max_size=20), _json, max_size=5))
def test_what_we_emit_is_read_back(document: dict[str, Any]) -> None:
    assert documents.loads(documents.dumps(document)) == document


@given(st.integers(0, 40), st.booleans(), st.integers(0, 10))
def test_depth_is_counted_outside_strings(depth: int, in_objects: bool, noise: int) -> None:
    opening, closing = (b'{"[[":', b"}") if in_objects else (b"[", b"]")
    text = opening * depth + b'["' + b"[{" * noise + b'\\""]' + closing * depth
    if depth + 1 <= 32:
        documents.loads_any(text)
    else:
        with pytest.raises(Malformed, match="32"):
            documents.loads_any(text)


def test_emits_compact_utf8_in_the_order_of_the_keys() -> None:
    assert documents.dumps({"b": "é/\n", "a": [1, None]}) == '{"b":"é/\\n","a":[1,null]}'.encode()


@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": {1}}, {"a": "\ud800"}])
def test_what_json_cannot_hold_is_our_fault(value: object) -> None:
    with pytest.raises(LocalError):
        documents.dumps(value)


@pytest.mark.parametrize(
    "document",
    [
        {"@graph": []},
        {"object": [{"x": {"@reverse": {}}}]},
        {"object": {"@included": []}},
        {"@nest": "a"},
        {"@context": {"a": "b"}},
        {"@context": ["https://www.w3.org/ns/activitystreams", {"as:actor": "x"}]},
        {"object": {"@context": [["x"]]}},
    ],
)
def test_graph_keywords_and_inline_terms_are_refused(document: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        documents.refuse_jsonld_keywords(document)


def test_named_contexts_pass() -> None:
    documents.refuse_jsonld_keywords(
        {"@context": ["https://www.w3.org/ns/activitystreams"], "object": {"@context": "x", "to": ["y"]}}
    )


def test_a_property_reads_as_ids_from_every_form() -> None:
    assert documents.ids("a") == ("a",)
    assert documents.ids({"id": "a"}) == ("a",)
    assert documents.ids(["a", {"id": "b"}, 1, None, {"id": 2}, {}, ["c", ["d"]]]) == ("a", "b", "c", "d")
    assert documents.ids(None) == ()


def test_a_reference_is_one_id_or_none() -> None:
    assert documents.id_of("a") == "a"
    assert documents.id_of({"id": "a", "type": "Note"}) == "a"
    for value in (None, 1, ["a"], {"id": 1}, {"id": ["a"]}, {}):
        assert documents.id_of(value) is None


def test_types_and_lists() -> None:
    assert documents.types({"type": "Note"}) == ("Note",)
    assert documents.types({"type": ["Relationship", 1, "PeeringAgreement"]}) == (
        "Relationship",
        "PeeringAgreement",
    )
    assert documents.types({}) == ()
    assert documents.types("Note") == ()
    assert documents.as_list(None) == []
    assert documents.as_list("a") == ["a"]
    assert documents.as_list(["a"]) == ["a"]


def test_addresses_are_those_of_one_level() -> None:
    document = {
        "cc": ["b", {"id": "c"}],
        "to": "a",
        "audience": "d",
        "bto": "e",
        "bcc": "f",
        "object": {"to": "g"},
    }
    assert documents.addresses(document) == ("a", "b", "c", "e", "f", "d")


@pytest.mark.parametrize("spelling", sorted(documents.PUBLIC))
@pytest.mark.parametrize("field", ["to", "cc", "bto", "bcc", "audience"])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_public_is_seen_in_every_field_at_every_level(spelling: str, field: str, depth: int) -> None:
    for value in (spelling, [spelling], {"id": spelling}, ["https://a.example/", {"id": spelling}]):
        document: dict[str, Any] = {field: value}
        for _ in range(depth):
            document = {"object": [document], "to": "https://a.example/"}
        assert documents.is_public(document)


def test_public_elsewhere_than_in_an_address_is_a_word() -> None:
    assert not documents.is_public(
        {"content": "Public", "to": ["https://a.example/"], "tag": [{"name": "Public"}]}
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":1,"object":{"b":[1,"}"]},"c":2}', '{"b":[1,"}"]}'),
        (' { "é" : "😀" ,\n"object" :\t"ü" } ', '"ü"'),
        ('{"\\u006fbject":[ ]}', "[ ]"),
        ('{"x":{"object":1},"object":null}', "null"),
    ],
)
def test_the_span_of_a_value_is_its_bytes(text: str, value: str) -> None:
    data = text.encode()
    start, end = documents.span_of(data, "object")
    assert data[start:end].decode() == value


@pytest.mark.parametrize("text", ["{}", '{"a":{"object":1}}', ' { "a" : 1 } '])
def test_no_span_without_the_key(text: str) -> None:
    with pytest.raises(Malformed, match="missing"):
        documents.span_of(text.encode(), "object")


@given(st.dictionaries(st.text(max_size=8), _json, min_size=1, max_size=5), st.data())
def test_every_span_reads_as_its_value(document: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(document)))
    for text in (documents.dumps(document), json.dumps(document, indent=1).encode()):
        start, end = documents.span_of(text, key)
        assert json.loads(text[start:end]) == document[key]


@pytest.mark.parametrize("name", sorted(documents.PUBLIC))
def test_the_public_is_seen_through_the_bytes_too(name: str) -> None:
    raw = b'{"object":{"cc":["' + name.encode() + b'"]}}'
    for written in (raw, raw.replace(b"Public", b"\\u0050ublic")):
        assert documents.is_public(documents.loads(written), written)
    other = raw.replace(b"Public", b"private")
    assert not documents.is_public(documents.loads(other), other)
