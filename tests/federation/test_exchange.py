"""Field, manifest and chain of a batch: what is none of them is refused as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import documents, exchange
from federation.digest import digest
from federation.errors import (
    DisputedHistory,
    Malformed,
    RemoteError,
    SequenceGap,
    TooLarge,
    Unauthentic,
    UnknownVersion,
)
from federation.exchange import LogField
from federation.ports import Entry, Head

GENESIS = "zQmPeKaWLs2Epq6iQVYzUes1tJJYBUmiWuuMAii5s6zQkDt"
STREAM = "https://south.example/streams/north"
CONTENT = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
TIME = "2026-11-24T08:00:00Z"


def _entries(count: int, first: int = 1, prev: str = GENESIS) -> list[Entry]:
    made: list[Entry] = []
    for seq in range(first, first + count):
        before = made[-1].entry_hash if made else prev
        made.append(
            exchange.entry(STREAM, seq, before, f"https://south.example/a/{seq}", "Create", CONTENT, TIME)
        )
    return made


def _field(count: int, seq: int = 1, prev: str = GENESIS) -> LogField:
    return LogField(STREAM, seq, count, prev, GENESIS)


def test_a_field_is_read_as_it_was_written() -> None:
    field = _field(3, 41)
    assert exchange.read_field(str(field)) == field


def test_refuses_a_request_without_a_field() -> None:
    with pytest.raises(Unauthentic):
        exchange.read_field(None)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("seq=1", "seq=-1"),
        lambda text: text.replace("seq=1", "seq=1.0"),
        lambda text: text.replace("seq=1", "seq=1234567890123456"),
        lambda text: text.replace("count=1", "count=12345"),
        lambda text: text.replace(", agreement", ";x, agreement"),
        lambda text: f"{text}, more=1",
        lambda text: f"{text}\n",
        lambda text: text.replace('"z', '"x'),
        lambda text: text.replace("count=1, ", ""),
        lambda _: "",
    ],
)
def test_refuses_a_field_that_is_none(change: Callable[[str], str]) -> None:
    with pytest.raises(Malformed):
        exchange.read_field(change(str(_field(1))))


def test_the_hash_of_an_entry_is_the_digest_of_its_document() -> None:
    for entry in _entries(2):
        said = exchange.document_of(STREAM, entry)
        assert (said["v"], said["seq"], said["stream"]) == (1, entry.seq, STREAM)
        assert digest(said) == entry.entry_hash


def test_a_batch_is_read_as_it_was_written() -> None:
    entries = _entries(2)
    batch = exchange.read(_field(2), exchange.write(entries, [b"{}", b""]), 200)
    assert (list(batch.entries), list(batch.lines)) == (entries, [b"{}", b""])


def _manifest(count: int = 1, **changes: Any) -> dict[str, Any]:
    manifest = documents.loads(exchange.write(_entries(count), [b"x"] * count).partition(b"\n")[0])
    manifest["entries"][0].update(changes)
    return {
        "entries": [{k: v for k, v in row.items() if v is not ...} for row in manifest["entries"]],
        "v": 1,
    }


def _body(manifest: dict[str, Any], *lines: bytes) -> bytes:
    return b"".join(part + b"\n" for part in (documents.dumps(manifest), *lines))


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 2},
        {"seq": True},
        {"seq": "1"},
        {"seq": ...},
        {"more": 1},
        {"activity": 1},
        {"activity": "south.example/a/1"},
        {"type": 1},
        {"type": ""},
        {"type": "x" * 101},
        {"contentDigest": 1},
        {"contentDigest": "sha-256=:AA==:"},
        {"contentDigest": CONTENT.replace("256", "512")},
        {"time": 1},
        {"time": "yesterday"},
        {"time": "2026-11-24T08:00:00+01:00"},
    ],
)
def test_refuses_a_row_that_is_none(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        exchange.read(_field(1), _body(_manifest(**changes), b"x"), 200)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (_body({"entries": [], "v": 2}), UnknownVersion),
        (_body({"entries": [], "v": True}), UnknownVersion),
        (_body({"entries": []}), UnknownVersion),
        (_body({"entries": {}, "v": 1}), Malformed),
        (_body({"v": 1}), Malformed),
        (_body({"entries": [1], "v": 1}, b"x"), Malformed),
        (_body({"entries": [], "v": 1}, b"x"), Malformed),
        (_body({"entries": [], "v": 1})[:-1], Malformed),
        (b"\n", Malformed),
        (b"", Malformed),
        (b"[]\n", Malformed),
        (b'{"entries":[],"entries":[],"v":1}\n', Malformed),
    ],
)
def test_refuses_a_body_that_is_none(body: bytes, problem: type[RemoteError]) -> None:
    with pytest.raises(problem):
        exchange.read(_field(0), body, 200)


def test_refuses_a_manifest_with_more_or_fewer_rows_than_lines() -> None:
    for count, lines in ((1, 0), (1, 2), (2, 1)):
        with pytest.raises(Malformed):
            exchange.read(_field(1), exchange.write(_entries(count), [b"x"] * lines), 200)


def test_refuses_a_last_line_that_does_not_end() -> None:
    with pytest.raises(Malformed):
        exchange.read(_field(1), exchange.write(_entries(1), [b"xy"])[:-1], 200)


@pytest.mark.parametrize("kind", ["x", "x" * 100])
def test_a_type_has_one_to_a_hundred_characters(kind: str) -> None:
    (entry,) = exchange.read(_field(1), _body(_manifest(type=kind), b"x"), 200).entries
    assert entry.type == kind


def test_a_batch_is_full_at_its_limit() -> None:
    assert len(exchange.read(_field(2), exchange.write(_entries(2), [b"x"] * 2), 2).lines) == 2


def test_refuses_more_lines_than_a_batch_has() -> None:
    with pytest.raises(TooLarge):
        exchange.read(_field(201), b"", 200)


def _batch(count: int, seq: int, prev: str) -> exchange.Batch:
    return exchange.Batch(_field(count, seq, prev), _entries(count, seq, prev), [b"x"] * count)


def _fresh(batch: exchange.Batch, history: list[Entry]) -> int:
    hashes = [GENESIS, *(each.entry_hash for each in history)]
    head = Head(len(history), hashes[-1])
    return exchange.fresh(batch, head, lambda first, last: hashes[first : last + 1])


@pytest.mark.parametrize(
    ("known", "seq", "count"), [(0, 1, 3), (2, 3, 2), (2, 1, 3), (3, 2, 1), (3, 4, 0), (3, 2, 0)]
)
def test_says_how_many_entries_are_known(known: int, seq: int, count: int) -> None:
    history = _entries(known)
    prev = history[seq - 2].entry_hash if seq > 1 else GENESIS
    assert _fresh(_batch(count, seq, prev), history) == max(0, min(seq + count - 1, known) - seq + 1)


def test_refuses_what_lies_beyond_the_head_and_says_what_is_expected() -> None:
    with pytest.raises(SequenceGap) as refused:
        _fresh(_batch(1, 5, GENESIS), _entries(3))
    assert refused.value.members == {"expected": 4}


@pytest.mark.parametrize("seq", [1, 2, 4])
def test_refuses_another_history_and_says_where_it_parts_from_ours(seq: int) -> None:
    history = _entries(3)
    with pytest.raises(DisputedHistory) as refused:
        _fresh(_batch(1, seq, "zQmbA7HmyBMSWjuabpP5mhEyv13KMUXmyyTuaXZ28drPk11"), history)
    ours = [GENESIS, *(each.entry_hash for each in history)]
    assert refused.value.members == {"size": seq - 1, "myHead": ours[seq - 1]}


@pytest.mark.parametrize("seq", [1, 2])
def test_a_history_that_parts_within_a_batch_is_told_by_the_first_entry_that_differs(seq: int) -> None:
    history = _entries(3)
    hashes = [GENESIS, *(each.entry_hash for each in history)]
    batch = _batch(3, seq, hashes[seq - 1])
    other = replace(batch.entries[1], entry_hash=digest("another"))
    with pytest.raises(DisputedHistory) as refused:
        _fresh(replace(batch, entries=[batch.entries[0], other, batch.entries[2]]), history)
    assert refused.value.members == {"size": seq + 1, "myHead": hashes[seq + 1]}


def test_refuses_the_seq_before_the_first() -> None:
    with pytest.raises(Malformed):
        _fresh(_batch(1, 0, GENESIS), [])


@given(body=st.binary(max_size=300), count=st.integers(0, 3))
def test_no_body_raises_anything_but_a_refusal(body: bytes, count: int) -> None:
    try:
        exchange.read(_field(count), body, 200)
    except RemoteError:
        return
    assert body.startswith(b"{")
