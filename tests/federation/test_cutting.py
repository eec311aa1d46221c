"""An agreement grows narrower while posts wait: what lies outside does not leave, and its author is told."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from federation import cutting, outbox
from federation.activity import Document
from federation.errors import OutOfScope
from federation.ports import Relation
from tests.federation.world import Node, Pair, Worlds

Change = Callable[[Document], None]


def _narrow(one: Node, other: Node, *changes: Change, **members: Any) -> Relation:
    """Both sides hold a narrower agreement from now; the waiting entries of `one` are not cut yet."""
    for node, partner in ((one, other), (other, one)):
        relation = node.relation(partner)
        agreement = deepcopy(relation.agreement)
        assert agreement is not None
        for change in changes:
            change(agreement)
        node.store.rows.relations[partner.iri] = replace(relation, agreement=agreement, **members)
    return one.relation(other)


def _no(kind: str) -> Change:
    return lambda agreement: agreement["scope"]["objectTypes"].remove(kind)


def _cut(node: Node, relation: Relation) -> int:
    with node.work() as work:
        return cutting.cut(relation, work)


def _sent(one: Node, other: Node) -> list[bytes]:
    """The lines that wait, as they would go out."""
    with one.work() as work:
        first = work.log.acknowledged(one.relation(other)) + 1
        return [raw for _, raw in work.log.read(one.relation(other), first, 100, 10**6)]


def test_what_waits_outside_is_refused_and_all_else_arrives(pair: Pair) -> None:
    article = pair.south.post(pair.sven, pair.space, "too long", type="Article")
    note = pair.south.post(pair.sven, pair.space, "fine")
    heads = pair.south.store.rows.out[pair.north.iri][:]
    relation = _narrow(pair.south, pair.north, _no("Article"))
    assert _cut(pair.south, relation) == 1
    refused = pair.south.store.rows.objects[article]
    assert refused.refused is not None
    assert str(refused.refused["type"]).endswith("#out-of-scope")
    assert refused.document is not None  # the text stays with its author
    assert pair.south.store.rows.objects[note].refused is None
    assert not any(b"too long" in line for line in _sent(pair.south, pair.north))
    pair.south.deliver(pair.north)
    assert pair.north.texts(pair.space) == ["fine"]
    assert pair.south.store.rows.out[pair.north.iri] == heads  # the chain is the same
    taken = [entry.entry_hash for entry, _ in pair.north.store.rows.taken[pair.south.iri]]
    assert taken == [entry.entry_hash for entry in heads]


def test_cutting_again_changes_nothing(pair: Pair) -> None:
    pair.south.post(pair.sven, pair.space, "too long", type="Article")
    relation = _narrow(pair.south, pair.north, _no("Article"))
    assert _cut(pair.south, relation) == 1
    notes = len(pair.south.store.rows.notes)
    assert _cut(pair.south, relation) == 0
    assert len(pair.south.store.rows.notes) == notes


def test_a_cut_is_on_record_without_contents(pair: Pair) -> None:
    pair.south.post(pair.sven, pair.space, "too long", type="Article")
    _cut(pair.south, _narrow(pair.south, pair.north, _no("Article")))
    event, facts = pair.south.store.rows.notes[-1]
    assert (event, facts["partner"], facts["entries"]) == ("charter.cut", pair.north.iri, 1)
    assert "too long" not in str(facts)


def test_what_was_receipted_is_past(pair: Pair) -> None:
    article = pair.south.post(pair.sven, pair.space, "long", type="Article")
    pair.south.deliver(pair.north)
    assert _cut(pair.south, _narrow(pair.south, pair.north, _no("Article"))) == 0
    assert pair.south.store.rows.objects[article].refused is None


def test_the_host_cuts_what_it_announced_to_one_partner_alone(worlds: Worlds) -> None:
    worlds.north.post(worlds.anna, worlds.space, "long", type="Article")
    relation = _narrow(worlds.north, worlds.south, _no("Article"))
    assert _cut(worlds.north, relation) == 1
    worlds.north.post(worlds.anna, worlds.space, "short")
    worlds.settle()
    assert worlds.south.texts(worlds.space) == ["short"]
    assert worlds.east.texts(worlds.space) == worlds.north.texts(worlds.space) == ["long", "short"]
    assert worlds.south.store.rows.spaces[worlds.space].missing  # a hole, for the repair to see


def test_words_of_a_third_organisation_do_not_leave_once_two_are_alone(worlds: Worlds) -> None:
    worlds.east.post(worlds.elsa, worlds.space, "from the third")
    worlds.east.deliver(worlds.north)
    alone = _narrow(
        worlds.north, worlds.south, lambda agreement: agreement["scope"].update(onwardTransfer="none")
    )
    assert _cut(worlds.north, alone) == 1
    assert not any(b"from the third" in line for line in _sent(worlds.north, worlds.south))


def test_words_of_one_who_left_the_space_are_of_a_third(worlds: Worlds) -> None:
    worlds.east.post(worlds.elsa, worlds.space, "before I go")
    worlds.east.deliver(worlds.north)
    worlds.north.write_roster(worlds.space, remove=worlds.east)
    alone = _narrow(
        worlds.north, worlds.south, lambda agreement: agreement["scope"].update(onwardTransfer="none")
    )
    assert _cut(worlds.north, alone) == 1


def test_a_stop_cuts_what_waits_but_not_what_takes_back_nor_who_is_there(pair: Pair) -> None:
    pair.south.post(pair.sven, pair.space, "said before")
    pair.south.deliver(pair.north)
    pair.north.deliver(pair.south)
    said = next(iter(pair.south.store.rows.objects))
    pair.south.post(pair.sven, pair.space, "waiting")
    pair.south.say(pair.sven, {"type": "Delete", "object": said, "recall": RECALL}, pair.space)
    relation = _narrow(pair.south, pair.north, stopped_here=frozenset({pair.space}))
    assert _cut(pair.south, relation) == 1
    pair.south.deliver(pair.north)
    assert pair.north.texts(pair.space) == []


RECALL = {
    "mode": "erase",
    "reason": "https://w3id.org/parvis/v1#mistake",
    "deadline": "2027-01-01T00:00:00Z",
    "includes": ["attachments"],
}


def test_more_than_is_read_at_once_is_cut_whole(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "LINES", 2)
    for number in range(5):
        pair.south.post(pair.sven, pair.space, str(number), type="Article" if number % 2 else "Note")
    assert _cut(pair.south, _narrow(pair.south, pair.north, _no("Article"))) == 2
    pair.south.deliver(pair.north)
    assert pair.north.texts(pair.space) == ["0", "2", "4"]


def test_history_outside_the_agreement_is_withheld(pair: Pair) -> None:
    pair.north.post(pair.anna, pair.space, "long", type="Article")
    pair.north.post(pair.anna, pair.space, "short")
    relation = _narrow(pair.north, pair.south, _no("Article"))
    with pair.north.work() as work:
        announced = [
            each for each in work.rows.activities.values() if each.type == "Announce" and each.rev is not None
        ]
        told = outbox.backfill(
            relation, pair.space, [(each, pair.anna) for each in announced[-2:]], work, pair.north.settings
        )
    assert told == 1


def test_an_invitation_outside_the_agreement_is_not_sent(pair: Pair) -> None:
    other = pair.north.space("Tunnel", pair.anna)
    _narrow(pair.north, pair.south, lambda agreement: agreement["scope"].update(allowNewSpaces="none"))
    before = pair.north.store.rows.out[pair.south.iri][:]
    with pytest.raises(OutOfScope):
        pair.north.share(other, pair.south)
    assert pair.north.store.rows.out[pair.south.iri] == before
