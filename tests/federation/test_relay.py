"""Receipts that a host relays: what they prove, and what proves nothing (PROTOCOL 2.j)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from federation import documents, exchange, proofs, relay, roster
from federation.activity import CONTEXT, Document
from federation.digest import digest
from federation.errors import BadProof, DigestMismatch, Malformed, RemoteError
from federation.keys import SigningKey
from federation.ports import Entry, FormerNode, MemberNode, Role
from federation.relay import Relayed

HOST, MEMBER = "https://host.example/actor", "https://member.example/actor"
STREAM = "https://host.example/streams/member"
GENESIS = "zQmPYmH4tragHU5NTHn5gER2iaNLPdfgCdDxLDYgEK8vFfY"
MOMENT = "2026-11-24T08:00:00Z"
KEY = SigningKey.generate(f"{MEMBER}#ed25519")
KEYS = {MEMBER: [KEY.public]}


def _entries(count: int) -> list[Entry]:
    found: list[Entry] = []
    for seq in range(1, count + 1):
        prev = found[-1].entry_hash if found else GENESIS
        content = f"sha-256=:{seq:043d}=:"
        made = exchange.entry(STREAM, seq, prev, f"https://host.example/a/{seq}", "Announce", content, MOMENT)
        found.append(made)
    return found


def _receipt(entries: list[Entry], key: SigningKey = KEY, **changes: Any) -> Document:
    unsigned = {
        "@context": list(CONTEXT),
        "id": "https://member.example/receipts/1",
        "type": "DeliveryReceipt",
        "attributedTo": MEMBER,
        "stream": STREAM,
        "from": 1,
        "to": entries[-1].seq,
        "entryHash": entries[-1].entry_hash,
        "outcome": "processed",
        "exceptions": [{"seq": entries[-1].seq, "outcome": "duplicate"}],
        "published": MOMENT,
        **changes,
    }
    return proofs.sign(unsigned, key, MOMENT)


def _line(entries: list[Entry], receipt: Document) -> bytes:
    return relay.write([Relayed(entries[0].prev, entries, receipt)])


def test_a_receipt_confirms_the_entries_that_lead_to_it() -> None:
    entries = _entries(4)
    (line,) = relay.lines(_line(entries[2:], _receipt(entries)))
    confirmed = relay.read(line, HOST, KEYS)
    assert (confirmed.node, confirmed.at) == (MEMBER, MOMENT)
    assert {
        activity: (content, outcome.outcome) for activity, (content, outcome) in confirmed.outcomes.items()
    } == {
        entries[2].activity: (entries[2].content_digest, "processed"),
        entries[3].activity: (entries[3].content_digest, "duplicate"),
    }


def test_any_key_that_the_roster_names_proves_it_whatever_it_is_called() -> None:
    entries = _entries(1)
    second = SigningKey.generate(f"{MEMBER}#ed25519-2")
    (line,) = relay.lines(_line(entries, _receipt(entries, second)))
    with pytest.raises(BadProof):
        relay.read(line, HOST, KEYS)
    renamed = SigningKey.generate(f"{MEMBER}#ed25519")
    assert relay.read(line, HOST, {MEMBER: [renamed.public, second.public]}).node == MEMBER


STRANGER = SigningKey.generate("https://stranger.example/actor#ed25519")

WRONG: dict[str, tuple[Callable[[list[Entry]], Any], type[RemoteError]]] = {
    "no receipt": (lambda entries: {"entries": [], "prev": GENESIS}, Malformed),
    "no rows": (lambda entries: {"receipt": _receipt(entries), "prev": GENESIS, "entries": []}, Malformed),
    "rows of another shape": (
        lambda entries: {"receipt": _receipt(entries), "prev": GENESIS, "entries": [{"seq": 1}, {}, {}]},
        Malformed,
    ),
    "of another type": (lambda entries: _said(entries, type="LogCheckpoint"), Malformed),
    "by nobody": (lambda entries: _said(entries, attributedTo=None), Malformed),
    "by no member": (lambda entries: _said(entries, attributedTo=STRANGER.controller), BadProof),
    "by a key of somebody else": (
        lambda entries: {**_said(entries), "receipt": _receipt(entries, STRANGER)},
        BadProof,
    ),
    "for no range": (lambda entries: _said(entries, to=None), Malformed),
    "for another range": (lambda entries: _said(entries, **{"from": 2}), DigestMismatch),
    "for a stream of another host": (
        lambda entries: _said(entries, stream="https://other.example/streams/1"),
        DigestMismatch,
    ),
    "for another hash": (lambda entries: _said(entries, entryHash=GENESIS), DigestMismatch),
    "with another outcome": (lambda entries: _said(entries, outcome="rejected"), Malformed),
}


def _said(entries: list[Entry], **changes: Any) -> Document:
    rows = [exchange.row_of(each) for each in entries]
    return {"entries": rows, "prev": GENESIS, "receipt": _receipt(entries, **changes)}


@pytest.mark.parametrize("case", WRONG)
def test_refuses_what_proves_nothing(case: str) -> None:
    make, error = WRONG[case]
    with pytest.raises(error):
        relay.read(documents.dumps(make(_entries(3))), HOST, KEYS)


def test_an_answer_that_is_cut_off_is_none() -> None:
    assert list(relay.lines(b"")) == []
    with pytest.raises(Malformed):
        list(relay.lines(b'{"entries"'))


# -- rosters: forks, and who is former


def _roster(version: int, previous: str | None, *names: str) -> Document:
    members = [roster.Member(f"https://host.example/people/{name}", Role.MEMBER) for name in names]
    nodes = [MemberNode(HOST, "Host", KEY.public.multibase, "host", MOMENT)]
    return roster.write(f"{HOST}/space", version, previous, nodes, members, KEY, MOMENT).document


def test_rosters_part_when_they_cannot_be_of_one_history() -> None:
    first = _roster(1, None, "anna")
    second = _roster(2, digest(first), "anna", "ben")
    assert not roster.parts(first, first)
    assert not roster.parts(first, second)
    assert not roster.parts(second, first)
    assert roster.parts(first, _roster(1, None, "cleo"))
    assert roster.parts(first, _roster(2, GENESIS, "anna"))
    assert not roster.parts(first, _roster(3, GENESIS, "anna"))


def test_who_is_gone_and_which_key_was_replaced_is_former_until_he_comes_back() -> None:
    a, b = (MemberNode(f"https://{name}.example/actor", name, "z1", "member", MOMENT) for name in "ab")
    renewed = MemberNode(a.node, "a", "z2", "member", MOMENT)
    gone = roster.former_after((), [a, b], [renewed], 7)
    assert gone == (FormerNode(a.node, "a", "z1", 7), FormerNode(b.node, "b", "z1", 7))
    assert roster.former_after(gone, [renewed], [renewed, b], 9) == (FormerNode(a.node, "a", "z1", 7),)
