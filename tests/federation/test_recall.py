"""Recalls on the wire: what a Delete may ask, who may ask it, in whatever order things come; what receipts prove."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from federation import activity as activities
from federation import documents, outbox, proofs, recall
from federation.activity import Activity, Document
from federation.delivery import Delivered
from federation.errors import NAMESPACE, AgreementSuspended, BadProof, Malformed, OutOfScope
from federation.keys import PublicKey, SigningKey
from federation.ports import Erasure, Mode, Recall, Role, State
from tests.federation.world import Node, Pair, Worlds, post_batch, problem_of

ASKED: Document = {
    "mode": "erase",
    "reason": f"{NAMESPACE}#wrong-recipient",
    "deadline": "2026-11-24T09:00:00Z",
    "includes": ["attachments"],
}


def delete(asked: object, **members: Any) -> Activity:
    document = {
        "id": "https://south.example/a/1",
        "type": "Delete",
        "actor": "https://south.example/people/1",
        "object": "https://south.example/o/1",
        "published": "2026-11-24T08:00:00Z",
        "recall": asked,
        **members,
    }
    return activities.of(document, documents.dumps(document))


def test_reads_what_it_has_written() -> None:
    wish = Recall(Mode.REPLACE, "mistake", "2026-11-24T09:00:00Z", ("versions",), "https://south.example/o/2")
    said = recall.document(wish)
    assert recall.read(delete(said["recall"], instrument=said["instrument"])) == wish
    assert recall.read(delete(None)) is None


@pytest.mark.parametrize(
    "asked",
    [
        "erase",
        {**ASKED, "mode": "burn"},
        {**ASKED, "mode": ["erase"]},
        {**ASKED, "reason": "because Marie sent the price list to everybody"},
        {**ASKED, "reason": None},
        {**ASKED, "reason": f"{NAMESPACE}#{'x' * 300}"},
        {**ASKED, "deadline": "tomorrow"},
        {**ASKED, "deadline": None},
        {**ASKED, "includes": ["x"] * 17},
        {**ASKED, "includes": [{"a": 1}]},
        {**ASKED, "mode": "replace"},
    ],
)
def test_refuses_a_recall_of_another_shape(pair: Pair, asked: object) -> None:
    note = posted(pair)
    before = pair.north.texts(pair.space)
    said = pair.activity(type="Delete", object=note["id"], recall=asked)
    assert problem_of(pair.say(pair.line(said))) == "malformed"
    assert pair.north.texts(pair.space) == before


def posted(pair: Pair) -> Document:
    said = pair.activity()
    assert pair.say(pair.line(said)) == {"outcome": "processed"}
    note: Document = said["object"]
    return note


def test_a_manager_hides_and_no_more(pair: Pair) -> None:
    note = pair.north.post(pair.anna, pair.space, "of Anna")
    pair.north.deliver(pair.south)
    pair.north.store.rows.spaces[pair.space].members[pair.sven] = Role.MANAGER
    erase = pair.activity(type="Delete", object=note, recall=ASKED)
    assert problem_of(pair.say(pair.line(erase))) == "out-of-scope"
    assert pair.north.texts(pair.space) == ["of Anna"]
    hide = pair.activity(
        id="https://south.example/a/hide", type="Delete", object=note, recall={**ASKED, "mode": "hide"}
    )
    assert pair.say(pair.line(hide)) == {"outcome": "processed"}
    assert pair.north.texts(pair.space) == []


def test_the_node_of_the_author_calls_back_and_another_node_does_not(pair: Pair) -> None:
    theirs, ours = posted(pair), pair.north.post(pair.anna, pair.space, "of Anna")
    south = pair.south
    said = pair.activity(
        id="https://south.example/a/x", type="Delete", object=ours, actor=south.iri, recall=ASKED
    )
    assert problem_of(pair.say(pair.line(said, south.key))) == "out-of-scope"
    said = pair.activity(
        id="https://south.example/a/y", type="Delete", object=theirs["id"], actor=south.iri, recall=ASKED
    )
    assert pair.say(pair.line(said, south.key)) == {"outcome": "processed"}
    assert pair.north.texts(pair.space) == ["of Anna"]


def test_the_bytes_are_gone_from_the_journal_of_everybody(worlds: Worlds) -> None:
    south = worlds.south
    note = south.post(worlds.sven, worlds.space, "a secret")
    worlds.settle()
    south.say(worlds.sven, {"type": "Delete", "object": note, "recall": ASKED}, worlds.space)
    assert south.texts(worlds.space) == []  # at home at once
    worlds.settle()
    for node in (worlds.north, south, worlds.east):
        assert not any(b"a secret" in each.raw for each in node.store.rows.activities.values())
        assert node.texts(worlds.space) == []


ORDERS = sorted(permutations(("Create", "Update", "Delete")))


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_a_replica_ends_without_it_in_whatever_order_it_is_told(
    worlds: Worlds, order: tuple[str, ...]
) -> None:
    north, south, space = worlds.north, worlds.south, worlds.space
    north.deliver(south)
    note = north.note(worlds.anna, space, "a secret")
    lines = {"Create": announced(north, worlds.anna, {"type": "Create", "object": note}, space)}
    note = {**note, "content": "<p>another secret</p>"}
    lines["Update"] = announced(north, worlds.anna, {"type": "Update", "object": note}, space)
    lines["Delete"] = announced(
        north, worlds.anna, {"type": "Delete", "object": note["id"], "recall": ASKED}, space
    )
    response, _receipt = post_batch(north, south, [lines[each] for each in order])
    assert response.status == 200
    assert south.texts(space) == []
    assert not any(b"secret" in each.raw for each in south.store.rows.activities.values())
    with south.work() as work:
        stored = work.objects.stored(note["id"])
    assert stored is None or stored.type == "Tombstone"


def test_an_edit_that_the_host_announces_after_our_own_recall_leaves_neither_hole_nor_bytes(
    worlds: Worlds,
) -> None:
    north, south, space = worlds.north, worlds.south, worlds.space
    note = south.note(worlds.sven, space, "a secret")
    south.say(worlds.sven, {"type": "Create", "object": note}, space)
    worlds.settle()
    edited = {**note, "content": "<p>another secret</p>"}
    south.say(worlds.sven, {"type": "Update", "object": edited}, space)
    south.deliver(north)
    south.say(worlds.sven, {"type": "Delete", "object": note["id"], "recall": ASKED}, space)
    north.deliver(south)
    assert [outcome.outcome for _, outcome in south.store.rows.taken[north.iri]][-1:] == ["processed"]
    assert not south.store.rows.spaces[space].missing
    assert not any(b"secret" in each.raw for each in south.store.rows.activities.values())
    worlds.settle()
    assert all(node.texts(space) == [] for node in worlds.nodes())


def test_what_was_erased_before_its_receipt_arrived_is_receipted_again(worlds: Worlds) -> None:
    north, south, space = worlds.north, worlds.south, worlds.space
    note = south.post(worlds.sven, space, "a secret")
    lost = south.parcel(north, lines=1)
    assert north.federation.receive_batch(lost.request).status == 200
    south.say(worlds.sven, {"type": "Delete", "object": note, "recall": ASKED}, space)
    assert south.parcel(north, lines=1).request.body != lost.request.body
    assert isinstance(south.deliver(north, lines=1), Delivered)
    worlds.settle()
    assert south.store.rows.acknowledged[north.iri] == len(south.store.rows.out[north.iri])


def announced(host: Node, actor: str, document: Document, space: str) -> bytes:
    """The bytes of the Announce of what is said now, taken before they can be erased."""
    said = host.say(actor, document, space)
    wraps = [each for each in host.store.rows.activities.values() if each.type == "Announce"]
    return next(each.raw for each in wraps if each.object_id == said.id)


def test_the_space_says_that_time_is_over_and_nothing_else(worlds: Worlds) -> None:
    north, south, space = worlds.north, worlds.south, worlds.space
    note = south.post(worlds.sven, space, "old")
    worlds.settle()
    for members in ({}, {"recall": ASKED}):
        with pytest.raises(OutOfScope):
            north.say(space, {"type": "Delete", "object": note, **members}, space)
    assert north.texts(space) == ["old"]
    expired = {**ASKED, "reason": f"{NAMESPACE}#expired"}
    north.say(space, {"type": "Delete", "object": note, "recall": expired}, space)
    worlds.settle()
    assert north.texts(space) == south.texts(space) == worlds.east.texts(space) == []


# -- receipts


def receipt_of(node: Node, said: Activity, key: SigningKey | None = None, **members: Any) -> Document:
    done = Erasure(erased=[{"id": said.object_id, "stores": ["database"]}], **members)
    named = {"id": said.id, "contentDigest": said.content_digest}
    return recall.receipt(node.settings, key or node.key, named, done, node.clock.now)


def tell(node: Node, to: Node, receipt: Document) -> None:
    with node.work() as work:
        document: Document = {"type": "Create", "to": [to.iri], "object": receipt}
        outbox.tell(node.relation(to), document, node.iri, work, node.settings)
    node.deliver(to)


def called_back(worlds: Worlds) -> Activity:
    note = worlds.south.post(worlds.sven, worlds.space, "a secret")
    worlds.settle()
    said = worlds.south.say(worlds.sven, {"type": "Delete", "object": note, "recall": ASKED}, worlds.space)
    worlds.settle()
    return said


def test_the_host_gathers_receipts_and_sums_them_up_for_the_author(worlds: Worlds) -> None:
    north, south, east = worlds.north, worlds.south, worlds.east
    said = called_back(worlds)
    theirs = receipt_of(east, said)
    tell(east, north, theirs)
    assert north.store.rows.recalls[said.id].answers == {east.iri: theirs}
    tell(north, south, receipt_of(north, said, items=[theirs]))
    assert set(south.store.rows.recalls[said.id].answers) == {north.iri, east.iri}


def test_an_older_receipt_does_not_take_the_place_of_a_later_one(worlds: Worlds) -> None:
    north, east = worlds.north, worlds.east
    said = called_back(worlds)
    older = receipt_of(east, said, hold={"basis": f"{NAMESPACE}#legal-hold"})
    worlds.clock.advance(60)
    later = receipt_of(east, said)
    for receipt in (older, later, older):
        tell(east, north, receipt)
    assert north.store.rows.recalls[said.id].answers == {east.iri: later}


def test_believes_no_receipt_of_another_that_its_own_node_did_not_sign(worlds: Worlds) -> None:
    north, south, east = worlds.north, worlds.south, worlds.east
    said = called_back(worlds)
    forged = receipt_of(east, said, SigningKey.generate(f"{east.iri}#ed25519"))
    tell(north, south, receipt_of(north, said, items=[forged]))
    assert set(south.store.rows.recalls[said.id].answers) == {north.iri}
    assert any(event == "receipt.unproved" for event, _ in south.store.rows.notes)


def test_refuses_a_receipt_for_what_nobody_called_back(worlds: Worlds) -> None:
    said = called_back(worlds)
    receipt = receipt_of(worlds.east, said)
    unknown = proofs.sign(
        {**{k: v for k, v in receipt.items() if k != "proof"}, "object": "https://east.example/a/none"},
        worlds.east.key,
        worlds.east.clock.moment,
    )
    before = dict(worlds.north.store.rows.recalls[said.id].answers)
    tell(worlds.east, worlds.north, unknown)
    assert worlds.north.store.rows.recalls[said.id].answers == before
    assert any(event == "exchange.line-rejected" for event, _ in worlds.north.store.rows.notes)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "DeliveryReceipt"},
        {"attributedTo": "https://west.example/actor"},
        {"outcome": "processed"},
        {"outcome": "retained"},
        {"hold": {"basis": "x"}},
        {"items": ["x"]},
        {"published": "now"},
    ],
    ids=str,
)
def test_refuses_an_erasure_receipt_of_another_shape(worlds: Worlds, changes: Document) -> None:
    east = worlds.east
    receipt = receipt_of(east, called_back(worlds))
    changed = proofs.sign(
        {**{k: v for k, v in receipt.items() if k != "proof"}, **changes}, east.key, east.clock.moment
    )
    with pytest.raises(Malformed):
        recall.check_receipt(changed, east.iri, [east.key.public])


def test_refuses_an_erasure_receipt_by_another_key(worlds: Worlds) -> None:
    receipt = receipt_of(worlds.east, called_back(worlds))
    with pytest.raises(BadProof):
        recall.check_receipt(receipt, worlds.east.iri, [worlds.north.key.public])
    with pytest.raises(BadProof):
        recall.check_receipt(
            {**receipt, "outcome": "erased", "erased": []}, worlds.east.iri, [worlds.east.key.public]
        )


def test_a_run_of_retention_is_receipted_by_its_root(worlds: Worlds) -> None:
    east = worlds.east
    with east.work() as work:
        agreement = str((east.relation(worlds.north).agreement or {})["id"])
        ids = ["https://east.example/o/2", "https://east.example/o/1"]
        receipt = recall.of_run(east.settings, work.actors.signer(east.iri), agreement, ids, work.now)
    assert receipt["root"] == recall.root_of(sorted(ids))
    tell(east, worlds.north, receipt)
    assert worlds.north.store.rows.purges == [(east.iri, receipt)]


def test_reads_the_public_example(vectors: Path) -> None:
    folder = vectors / "own-peering-profile"
    example = json.loads((folder / "10-recall.json").read_text())
    asked = recall.read(activities.of(example["delete"], documents.dumps(example["delete"])))
    assert asked is not None
    assert (asked.mode, asked.reason) == (Mode.ERASE, "wrong-recipient")
    keys = json.loads((folder / "keys.json").read_text())["keys"]
    node = example["erasure_receipt"]["attributedTo"]
    public = [
        PublicKey.from_multibase(each["label"], each["publicKeyMultibase"])
        for each in keys
        if each["label"].startswith(node)
    ]
    for receipt in (example["erasure_receipt"], example["hold_receipt"]):
        recall.check_receipt(receipt, node, public)


# -- while the relation is suspended


def suspend(one: Node, other: Node, state: State) -> None:
    for node, peer in ((one, other), (other, one)):
        node.store.rows.relations[peer.iri] = replace(node.relation(peer), state=state)


def test_a_recall_passes_by_itself_while_suspended_and_is_a_duplicate_in_the_stream(worlds: Worlds) -> None:
    north, south, space = worlds.north, worlds.south, worlds.space
    ours = north.post(worlds.anna, space, "a secret")
    theirs = south.post(worlds.sven, space, "another secret")
    worlds.settle()
    suspend(north, south, State.SUSPENDED)
    north.post(worlds.anna, space, "waits")
    north.say(worlds.anna, {"type": "Delete", "object": ours, "recall": ASKED}, space)
    south.say(worlds.sven, {"type": "Delete", "object": theirs, "recall": ASKED}, space)
    [(to_south, announce)] = north.store.rows.asides
    [(to_north, said)] = south.store.rows.asides
    assert (to_south, announce.type, to_north, said.type) == (south.iri, "Announce", north.iri, "Delete")
    assert north.inbox(announce, south).status == 202
    assert south.inbox(said, north).status == 202
    assert north.texts(space) == ["waits"]
    assert south.texts(space) == []
    suspend(north, south, State.IN_FORCE)
    south.deliver(north)
    north.deliver(south)
    outcomes = [outcome.outcome for _, outcome in south.store.rows.taken[north.iri][-3:]]
    assert "duplicate" in outcomes
    assert "rejected" not in outcomes
    assert north.texts(space) == south.texts(space) == ["waits"]
    assert not south.store.rows.spaces[space].missing


def test_an_ordinary_delete_waits_while_suspended(worlds: Worlds) -> None:
    north, south = worlds.north, worlds.south
    note = north.post(worlds.anna, worlds.space, "a word")
    theirs = south.post(worlds.sven, worlds.space, "another")
    worlds.settle()
    suspend(north, south, State.SUSPENDED)
    north.say(worlds.anna, {"type": "Delete", "object": note}, worlds.space)
    assert north.store.rows.asides == []
    with pytest.raises(AgreementSuspended):
        south.say(worlds.sven, {"type": "Delete", "object": theirs}, worlds.space)
    assert south.texts(worlds.space) == ["a word", "another"]
