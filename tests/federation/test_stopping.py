"""One side stops a space at once: what may be said of it, and what it does to both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from federation import stopping
from federation.activity import Activity
from federation.authorship import write
from federation.errors import Malformed, OtherAgreement, OutOfScope
from federation.ports import State
from tests.federation.world import Node, Pair, Worlds, effects


def _stop(one: Node, other: Node, spaces: Sequence[str]) -> int:
    """`one` stops these spaces and tells it; the status of the answer."""
    with one.work() as work:
        said = stopping.stop(one.relation(other), spaces, work, one.settings)
    return one.inbox(said, other).status


def _said(pair: Pair, **members: Any) -> Activity:
    """An Update by the partner, not held to its own rules."""
    relation = pair.south.relation(pair.north)
    agreement = relation.agreement or {}
    stated = {
        "id": agreement["id"],
        "type": ["Relationship", "PeeringAgreement"],
        "stopped": [pair.space],
        "objectDigest": relation.agreement_digest,
        **members,
    }
    with pair.south.work() as work:
        return write(
            {"type": "Update", "to": [pair.north.iri], "object": stated},
            pair.south.iri,
            work,
            pair.south.settings,
        )


def test_a_stop_holds_on_both_sides_and_is_taken_back_by_who_made_it(pair: Pair) -> None:
    assert _stop(pair.south, pair.north, [pair.space]) == 202
    assert pair.south.relation(pair.north).stopped_here == {pair.space}
    assert pair.north.relation(pair.south).stopped_there == {pair.space}
    with pytest.raises(OutOfScope):
        pair.south.post(pair.sven, pair.space, "x")
    assert _stop(pair.north, pair.south, []) == 202  # not theirs to take back
    assert pair.north.relation(pair.south).stopped == {pair.space}
    assert _stop(pair.south, pair.north, []) == 202
    assert pair.north.relation(pair.south).stopped == frozenset()
    pair.south.post(pair.sven, pair.space, "again")
    pair.south.deliver(pair.north)
    assert pair.north.texts(pair.space) == ["again"]


def test_a_stop_cuts_what_waits_on_both_sides(worlds: Worlds) -> None:
    north, south = worlds.north, worlds.south
    mine = south.post(worlds.sven, worlds.space, "waiting for the host")
    north.post(worlds.anna, worlds.space, "waiting for the guest")
    assert _stop(south, north, [worlds.space]) == 202
    assert south.store.rows.objects[mine].refused is not None
    worlds.settle()
    assert south.texts(worlds.space) == []
    assert worlds.east.texts(worlds.space) == ["waiting for the guest"]


def test_it_passes_while_suspended(pair: Pair) -> None:
    for node, other in ((pair.north, pair.south), (pair.south, pair.north)):
        suspended = replace(node.relation(other), state=State.SUSPENDED, suspended_here=True)
        node.store.rows.relations[other.iri] = suspended
    assert _stop(pair.south, pair.north, [pair.space]) == 202
    assert pair.north.relation(pair.south).stopped_there == {pair.space}


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"stopped": "https://north.example/spaces/1"}, 422),
        ({"stopped": [1]}, 422),
        ({"stopped": [["https://north.example/spaces/1", "https://north.example/spaces/2"]]}, 422),
        ({"stopped": [f"https://north.example/spaces/{n}" for n in range(1001)]}, 422),
        ({"stopped": ["spaces/1"]}, 422),
        ({"stopped": ["https://east.example/spaces/1"]}, 403),
        ({"objectDigest": "zQmPeKaWLs2Epq6iQVYzUes1tJJYBUmiWuuMAii5s6zQkDt"}, 409),
        ({"objectDigest": None}, 409),
    ],
)
def test_refuses_a_stop_that_is_none(pair: Pair, members: dict[str, Any], status: int) -> None:
    before = effects(pair.north)
    assert pair.south.inbox(_said(pair, **members), pair.north).status == status
    assert effects(pair.north) == before


def test_refuses_a_stop_without_an_agreement(pair: Pair) -> None:
    said = _said(pair)
    relation = pair.north.relation(pair.south)
    pair.north.store.rows.relations[pair.south.iri] = replace(relation, state=State.EXPIRED)
    before = effects(pair.north)
    assert pair.south.inbox(said, pair.north).status == 403
    assert effects(pair.north) == before


def test_we_say_no_stop_that_we_would_refuse(pair: Pair) -> None:
    relation = pair.south.relation(pair.north)
    with pair.south.work() as work:
        with pytest.raises(OutOfScope):
            stopping.stop(relation, ["https://east.example/spaces/1"], work, pair.south.settings)
        with pytest.raises(OutOfScope):
            stopping.stop(replace(relation, state=State.EXPIRED), [pair.space], work, pair.south.settings)
        with pytest.raises(OtherAgreement):
            stopping.take(_said(pair, objectDigest="z1"), relation, work)
        with pytest.raises(Malformed):
            stopping.spaces_of(_said(pair, stopped={}))
