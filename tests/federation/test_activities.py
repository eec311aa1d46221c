"""Handlers by themselves: what the gate never lets through is refused here too."""

from __future__ import annotations

from typing import Any

import pytest

from federation import activities, activity, authority, documents, sequencer
from federation.activity import CONTEXT, Activity
from federation.errors import LocalError, Malformed, OutOfScope, RemoteError
from federation.kind import effect_of
from federation.trust import Trusted
from tests.federation.world import Pair

SOMEWHERE = "https://south.example/a/1"


def _said(kind: str, object_: Any) -> Activity:
    document = {
        "@context": list(CONTEXT),
        "id": SOMEWHERE,
        "type": kind,
        "actor": "https://south.example/actor",
        "published": "2026-11-24T08:00:00Z",
        "object": object_,
    }
    return activity.of(document, b"{}")


UNREACHABLE = {
    "Accept": {"id": SOMEWHERE, "type": "Offer"},
    "Reject": {"id": SOMEWHERE, "type": "Offer"},
    "Offer": {"id": SOMEWHERE, "type": "PeeringAgreement"},
    "Invite": {"id": SOMEWHERE, "type": "Group"},
    "Create": {"id": SOMEWHERE, "type": "DeliveryReceipt"},
    "Announce": {"id": SOMEWHERE, "type": "Note"},
    "Update": {"id": SOMEWHERE, "type": "Person"},
    "Undo": {"id": SOMEWHERE, "type": "Accept"},
}


@pytest.mark.parametrize("verb", UNREACHABLE)
def test_what_concerns_two_nodes_comes_from_a_partner(pair: Pair, verb: str) -> None:
    trusted = Trusted(_said(verb, UNREACHABLE[verb]), None, None)
    with pair.north.work() as work, pytest.raises(RemoteError):
        activities.BY_NAME[verb].receive(trusted, work)


def test_a_roster_belongs_to_a_space(pair: Pair) -> None:
    relation = pair.north.relation(pair.south)
    trusted = Trusted(_said("Update", {"id": SOMEWHERE, "type": "Roster"}), relation, None)
    with pair.north.work() as work, pytest.raises(Malformed):
        activities.BY_NAME["Update"].receive(trusted, work)


def test_what_acts_in_no_space_has_no_place_there(pair: Pair) -> None:
    trusted = Trusted(_said("Like", SOMEWHERE), None, None)
    with pytest.raises(LocalError):
        effect_of(trusted)
    with pair.north.work() as work:
        for step in (
            lambda: sequencer.give_rev(trusted, work),
            lambda: sequencer.partners(trusted, work),
            lambda: sequencer.announce(trusted, work, pair.north.settings, ()),
        ):
            with pytest.raises(LocalError):
                step()


def test_every_row_of_the_table_has_its_handler() -> None:
    assert {verb for verb, _ in authority.TABLE} == activities.BY_NAME.keys()
    assert authority.TABLE.keys() >= authority.CONTROL | authority.ORDERED
    assert not authority.CONTROL & authority.ORDERED - {("Update", authority.Thing.ROSTER)}


def test_refuses_an_object_that_should_have_been_embedded() -> None:
    with pytest.raises(OutOfScope):
        authority.thing_of(_said("Create", SOMEWHERE))


@pytest.mark.parametrize(
    "change",
    [
        {"type": ["Create"]},
        {"type": None},
        {"id": "a/1"},
        {"id": None},
        {"actor": {"id": SOMEWHERE}},
        {"object": [SOMEWHERE]},
        {"object": 1},
        {"object": {"id": 1}},
        {"audience": ["https://north.example/spaces/1"]},
        {"rev": 0},
        {"rev": -1},
        {"rev": 1.5},
        {"rev": True},
        {"rev": "1"},
        {"id": "https://South.example/a/1"},
        {"id": "HTTPS://south.example/a/1"},
        {"actor": "https://south.example:443/actor"},
        {"actor": "https://b\u00fccher.example/actor"},
        {"published": None},
        {"published": "2026-11-24"},
        {"published": "2026-11-24T08:00:00+00:00"},
    ],
)
def test_refuses_an_activity_whose_members_are_of_another_kind(change: dict[str, Any]) -> None:
    document = {**_said("Create", SOMEWHERE).document, **change}
    with pytest.raises(Malformed):
        activity.of(document, b"{}")


def test_an_object_type_is_the_first_one() -> None:
    assert _said("Create", {"id": SOMEWHERE, "type": ["Note", "Page"]}).object_type == "Note"
    assert _said("Create", SOMEWHERE).object_type is None


def test_a_type_that_is_not_kept_here_is_refused_although_the_charter_has_it(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair.north.store, "types", frozenset({"Article"}))
    assert pair.say(pair.line(pair.activity()))["outcome"] == "rejected"


@pytest.mark.parametrize("hidden", ["bto", "bcc"])
def test_hidden_readers_are_neither_kept_nor_sent_on(pair: Pair, hidden: str) -> None:
    signed = documents.loads(pair.line(pair.activity()))
    line = documents.dumps({**signed, hidden: [SOMEWHERE]})
    assert activity.read(line).document == signed
    assert pair.say(line)["outcome"] == "processed"
    assert all(f'"{hidden}"'.encode() not in kept.raw for kept in pair.north.store.rows.activities.values())


def test_hidden_readers_that_the_proof_covers_are_refused_with_it(pair: Pair) -> None:
    said = pair.activity()
    said["object"]["bcc"] = [SOMEWHERE]
    assert pair.say(pair.line(said))["outcome"] == "rejected"
