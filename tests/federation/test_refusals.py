"""What a partner may not say, said at the door: no effect, an audit line, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from federation import activity, delivery, digest, documents, exchange, inbox, limits, outbox, signatures
from federation.activity import CONTEXT, Document
from federation.errors import BadProof, Forbidden, LocalError, NoAgreement, NotMember, OutOfScope
from federation.http import Headers, Request
from federation.keys import SigningKey
from federation.ports import Outcome, Proposal, Role, State
from federation.proofs import sign
from tests.federation.world import Node, Pair, Worlds, effects, post_batch, problem_of


def test_a_good_line_is_taken(pair: Pair) -> None:
    assert pair.say(pair.line(pair.activity())) == {"outcome": "processed"}


REFUSED: dict[str, tuple[Callable[[Pair], bytes], str]] = {
    "unsigned": (lambda pair: documents.dumps(pair.activity()), "bad-proof"),
    "wrong key": (
        lambda pair: pair.line(pair.activity(), SigningKey.generate(f"{pair.sven}#ed25519")),
        "bad-proof",
    ),
    "signed by the node for a person": (lambda pair: pair.line(pair.activity(), pair.south.key), "bad-proof"),
    "actor of the host's own origin": (
        lambda pair: pair.line(pair.activity(actor=pair.anna), SigningKey.generate(f"{pair.anna}#ed25519")),
        "bad-proof",
    ),
    "id on another origin": (
        lambda pair: pair.line(pair.activity(id="https://east.example/a/1")),
        "out-of-scope",
    ),
    "object on another origin": (
        lambda pair: pair.line(
            pair.activity(object=pair.south.note(pair.sven, pair.space, "x", id="https://north.example/o/1"))
        ),
        "out-of-scope",
    ),
    "attributed to another": (
        lambda pair: pair.line(
            pair.activity(object=pair.south.note(pair.sven, pair.space, "x", attributedTo=pair.anna))
        ),
        "out-of-scope",
    ),
    "attributed to a number": (
        lambda pair: pair.line(
            pair.activity(object=pair.south.note(pair.sven, pair.space, "x", attributedTo=1))
        ),
        "malformed",
    ),
    "two spaces": (
        lambda pair: pair.line(
            pair.activity(
                object=pair.south.note(
                    pair.sven, pair.space, "x", audience="https://north.example/spaces/other"
                )
            )
        ),
        "out-of-scope",
    ),
    "a space that does not exist": (
        lambda pair: pair.line(pair.activity(audience="https://north.example/spaces/none")),
        "out-of-scope",
    ),
    "no space": (
        lambda pair: pair.line({k: v for k, v in pair.activity().items() if k != "audience"}),
        "not-member",
    ),
    "a stranger to the space": (
        lambda pair: pair.line(_by(pair, pair.south.person("Sigrid"))),
        "unknown-actor",
    ),
    "public": (
        lambda pair: pair.line(pair.activity(cc=["https://www.w3.org/ns/activitystreams#Public"])),
        "out-of-scope",
    ),
    "public inside": (
        lambda pair: pair.line(
            pair.activity(object=pair.south.note(pair.sven, pair.space, "x", to="as:Public"))
        ),
        "out-of-scope",
    ),
    "an object type outside the charter": (
        lambda pair: pair.line(
            pair.activity(object=pair.south.note(pair.sven, pair.space, "x", type="Event"))
        ),
        "out-of-scope",
    ),
    "an activity type that nobody knows": (
        lambda pair: pair.line(pair.activity(type="Flag")),
        "out-of-scope",
    ),
    "a graph inside": (lambda pair: pair.line(pair.activity(**{"@graph": []})), "malformed"),
    "an inline context": (
        lambda pair: pair.line(pair.activity(**{"@context": [*CONTEXT, {"actor": "x"}]})),
        "malformed",
    ),
    "too many addresses": (
        lambda pair: pair.line(pair.activity(to=[f"https://south.example/{n}" for n in range(501)])),
        "too-large",
    ),
    "too many attachments": (
        lambda pair: pair.line(
            pair.activity(
                object=pair.south.note(pair.sven, pair.space, "x", attachment=[{"type": "Document"}] * 21)
            )
        ),
        "too-large",
    ),
    "too many tags": (
        lambda pair: pair.line(pair.activity(tag=[{"type": "Mention"}] * 101)),
        "too-large",
    ),
    "no published": (lambda pair: pair.line(pair.activity(published="yesterday")), "malformed"),
    "no object": (lambda pair: pair.line(pair.activity(object=None)), "malformed"),
    "an actor that is a list": (
        lambda pair: pair.line(pair.activity(actor=[pair.sven]), pair.south.store.signers[pair.sven]),
        "malformed",
    ),
    "rev of a member": (lambda pair: pair.line(pair.activity(rev=0)), "malformed"),
    "more than the charter's bytes": (
        lambda pair: pair.line(pair.activity(salt="x" * 262_000)),
        "too-large",
    ),
}


def _by(pair: Pair, person: str) -> Document:
    return pair.activity(actor=person, object=pair.south.note(person, pair.space, "x"))


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_refuses_a_line_and_takes_the_next(pair: Pair, case: str) -> None:
    make, problem = REFUSED[case]
    before = effects(pair.north)
    exception = pair.say(make(pair))
    assert exception["outcome"] == "rejected"
    assert problem_of(exception) == problem
    assert effects(pair.north) == before
    event, facts = pair.north.store.rows.notes[-1]
    assert event == "exchange.line-rejected"
    assert facts["partner"] == pair.south.iri
    assert pair.say(pair.line(pair.activity())) == {"outcome": "processed"}


def test_refuses_a_member_who_is_none(pair: Pair) -> None:
    sigrid = pair.south.person("Sigrid")
    introduction = {
        "@context": CONTEXT,
        "id": f"{pair.south.settings.origin}/a/intro",
        "type": "Update",
        "actor": pair.south.iri,
        "published": pair.clock.moment,
        "object": pair.south.store.rows.documents[sigrid],
    }
    assert pair.say(pair.line(introduction, pair.south.key)) == {"outcome": "processed"}
    assert problem_of(pair.say(pair.line(_by(pair, sigrid)))) == "not-member"


@pytest.mark.parametrize(
    ("verb", "members"),
    [
        ("Update", {}),
        ("Delete", {}),
        ("Delete", {"object": {"type": "Tombstone"}}),
        ("Undo", {"object": {"type": "Like"}}),
    ],
)
def test_refuses_to_touch_what_another_said(pair: Pair, verb: str, members: dict[str, Any]) -> None:
    theirs = pair.north.post(pair.anna, pair.space, "mine")
    like = pair.north.say(pair.anna, {"type": "Like", "object": theirs}, pair.space)
    pair.north.deliver(pair.south)
    target: Any = {**pair.south.note(pair.sven, pair.space, "taken over"), "id": theirs}
    if "object" in members:
        target = {**members["object"], "id": theirs, "actor": pair.anna, "object": theirs}
    if verb == "Undo":
        target = {**target, "id": like.id}
    before = effects(pair.north)
    exception = pair.say(pair.line(pair.activity(type=verb, object=target)))
    assert exception["outcome"] == "rejected"
    assert effects(pair.north) == before


@pytest.mark.parametrize("verb", ["Add", "Remove"])
def test_refuses_members_changed_by_one_who_is_no_manager(pair: Pair, verb: str) -> None:
    before = effects(pair.north)
    change = pair.activity(type=verb, object=pair.anna, target=f"{pair.space}/members")
    assert problem_of(pair.say(pair.line(change))) == "out-of-scope"
    assert effects(pair.north) == before


def test_refuses_a_roster_by_another_than_the_host(pair: Pair) -> None:
    roster = {"id": f"{pair.space}/roster", "type": "Roster", "attributedTo": pair.space, "version": 9}
    change = pair.activity(type="Update", object=roster, actor=pair.south.iri)
    assert problem_of(pair.say(pair.line(change, pair.south.key))) == "out-of-scope"


def test_refuses_an_announce_in_a_space_of_ours(pair: Pair) -> None:
    announce = pair.activity(type="Announce", rev=99)
    assert problem_of(pair.say(pair.line(announce))) == "out-of-scope"


def test_refuses_to_introduce_our_own_people(pair: Pair) -> None:
    forged = {**pair.north.store.rows.documents[pair.anna], "name": "Not Anna"}
    forged.pop("proof")
    introduction = {
        **pair.activity(
            type="Update", actor=pair.south.iri, object=sign(forged, pair.south.key, pair.clock.moment)
        ),
    }
    introduction.pop("audience")
    before = effects(pair.north)
    assert problem_of(pair.say(pair.line(introduction, pair.south.key))) == "out-of-scope"
    assert effects(pair.north) == before


def test_refuses_an_acceptance_of_an_invitation_that_was_never_made(pair: Pair) -> None:
    accept = {
        "@context": CONTEXT,
        "id": f"{pair.south.settings.origin}/a/accept",
        "type": "Accept",
        "actor": pair.south.iri,
        "published": pair.clock.moment,
        "object": {"id": "https://north.example/a/never", "type": "Invite"},
    }
    assert problem_of(pair.say(pair.line(accept, pair.south.key))) == "out-of-scope"


def test_the_same_activity_again_is_a_duplicate_and_another_body_a_replay(pair: Pair) -> None:
    said = pair.activity(id=f"{pair.south.settings.origin}/a/same")
    assert pair.say(pair.line(said)) == {"outcome": "processed"}
    again = pair.say(pair.line(said))
    assert again["outcome"] == "duplicate"
    other = pair.say(pair.line({**said, "salt": "b3RoZXJvdGhlcm90aGVyb3Q"}))
    assert problem_of(other) == "replay"


def test_a_bug_of_ours_keeps_the_line_and_the_later_ones_about_the_same_object(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    from federation.adapters import memory

    def fails(self: memory.Objects, effect: object) -> None:
        raise ZeroDivisionError

    first = pair.activity(id="https://south.example/a/first")
    target = first["object"]["id"]
    with monkeypatch.context() as patch:
        patch.setattr(memory.Objects, "create", fails)
        assert pair.say(pair.line(first))["outcome"] == "received"
    later = pair.activity(id="https://south.example/a/later", type="Delete", object=target)
    assert pair.say(pair.line(later))["outcome"] == "received"
    kept = [(seq, about) for _, seq, _, about in pair.north.store.rows.held]
    assert [about for _, about in kept] == [target, target]
    assert kept[0][0] + 1 == kept[1][0]
    assert pair.north.texts(pair.space) == []


# -- the request as a whole


def _post(pair: Pair, change: Callable[[Request], Request], key: SigningKey | None = None) -> int:
    parcel = pair.south.parcel(pair.north, lines=0).request
    return pair.north.federation.receive_batch(change(parcel)).status


def test_refuses_an_unsigned_request(pair: Pair) -> None:
    def bare(request: Request) -> Request:
        kept = [header for header in request.headers if "signature" not in header[0].lower()]
        return replace(request, headers=Headers(kept))

    before = effects(pair.north)
    assert _post(pair, bare) == 401
    assert effects(pair.north) == before
    assert pair.north.store.rows.notes[-1][0] == "exchange.unauthenticated"


def test_refuses_another_body_under_the_same_signature(pair: Pair) -> None:
    assert _post(pair, lambda request: replace(request, body=request.body + b"\n")) == 401


def test_refuses_the_same_request_again(pair: Pair) -> None:
    request = pair.south.parcel(pair.north, lines=0).request
    assert pair.north.federation.receive_batch(request).status == 200
    assert pair.north.federation.receive_batch(request).status == 409


def test_a_nonce_is_used_up_for_the_key_that_named_it_alone(worlds: Worlds) -> None:
    for node in (worlds.south, worlds.east):
        asked = node.parcel(worlds.north, lines=0).request
        created = int(worlds.clock.now.timestamp())
        signed = signatures.sign_request(asked, node.key, created=created, nonce="abcdefghijklmnopqrstuv")
        assert worlds.north.federation.receive_batch(signed).status == 200
        assert worlds.north.federation.receive_batch(signed).status == 409


@pytest.mark.parametrize("seconds", [-301, 301])
def test_refuses_a_clock_that_is_off_and_tells_its_own(pair: Pair, seconds: int) -> None:
    request = pair.south.parcel(pair.north, lines=0).request
    pair.clock.advance(seconds)
    response = pair.north.federation.receive_batch(request)
    assert response.status == 401
    assert documents.loads(response.body)["type"].endswith("#clock")
    assert response.headers.get("date") is not None


def test_refuses_a_stranger_before_any_crypto(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = Node("east", pair.clock)
    request = pair.south.parcel(pair.north, lines=0).request
    signed = signatures.sign_request(
        replace(request, headers=Headers([h for h in request.headers if "signature" not in h[0].lower()])),
        stranger.key,
        created=int(pair.clock.now.timestamp()),
        nonce="abcdefghijklmnopqrstuv",
    )
    monkeypatch.setattr(
        signatures, "verify_request", lambda *_: pytest.fail("nothing is verified for a stranger")
    )
    response = pair.north.federation.receive_batch(signed)
    assert response.status == NoAgreement.status
    assert documents.loads(response.body)["type"].endswith("#no-agreement")


def test_refuses_while_suspended(pair: Pair) -> None:
    relation = pair.north.relation(pair.south)
    pair.north.store.rows.relations[pair.south.iri] = replace(relation, state=State.SUSPENDED)
    response = pair.north.federation.receive_batch(pair.south.parcel(pair.north, lines=0).request)
    assert documents.loads(response.body)["type"].endswith("#agreement-suspended")


def test_refuses_two_signatures_of_ours(pair: Pair) -> None:
    request = pair.south.parcel(pair.north, lines=0).request
    pairs = dict(request.headers)
    inputs, values = pairs["Signature-Input"], pairs["Signature"]
    doubled = request.headers.with_(
        ("Signature-Input", f"{inputs}, {inputs.replace('sig1=', 'sig2=', 1)}"),
        ("Signature", f"{values}, {values.replace('sig1=', 'sig2=', 1)}"),
    )
    assert pair.north.federation.receive_batch(replace(request, headers=doubled)).status == 401


def test_keeps_both_histories_when_the_writer_tells_another(pair: Pair) -> None:
    pair.south.post(pair.sven, pair.space, "one")
    pair.south.deliver(pair.north)
    rows = pair.south.store.rows
    rows.out[pair.north.iri] = rows.out[pair.north.iri][:-1]
    pair.south.post(pair.sven, pair.space, "another one")
    rows.acknowledged[pair.north.iri] -= 1
    assert pair.south.deliver(pair.north).__class__.__name__ == "Stopped"
    assert len(pair.north.store.rows.disputes) == 1
    assert pair.north.texts(pair.space) == ["one"]


# -- our own people are held to the same table


def test_refuses_our_own_words_outside_the_charter_before_they_leave(pair: Pair) -> None:
    before = effects(pair.north)
    with pytest.raises(OutOfScope):
        pair.north.say(
            pair.anna,
            {"type": "Create", "object": pair.north.note(pair.anna, pair.space, "x", type="Event")},
            pair.space,
        )
    assert effects(pair.north) == before


def test_refuses_our_own_person_who_is_no_member(pair: Pair) -> None:
    with pytest.raises(NotMember):
        pair.north.post(pair.north.person("Arne"), pair.space, "hello")


def test_refuses_our_own_person_who_speaks_for_another(pair: Pair) -> None:
    with pytest.raises(OutOfScope):
        pair.north.say(
            pair.anna,
            {"type": "Create", "object": pair.north.note(pair.sven, pair.space, "x")},
            pair.space,
        )


# -- what is spoken of must stand in the space


UNKNOWN = "https://south.example/o/never-heard-of"


@pytest.mark.parametrize("verb", ["Like", "Update", "Undo", "Delete"])
def test_refuses_to_touch_what_is_not_there(pair: Pair, verb: str) -> None:
    targets: dict[str, Any] = {
        "Like": UNKNOWN,
        "Delete": UNKNOWN,
        "Update": {**pair.south.note(pair.sven, pair.space, "x"), "id": UNKNOWN},
        "Undo": {"type": "Like", "actor": pair.sven, "object": UNKNOWN},
    }
    pair.north.store.rows.spaces[pair.space].members[pair.sven] = Role.MANAGER
    before = effects(pair.north)
    assert problem_of(pair.say(pair.line(pair.activity(type=verb, object=targets[verb])))) == "out-of-scope"
    assert effects(pair.north) == before


@pytest.mark.parametrize("verb", ["Like", "Update", "Undo", "Delete"])
def test_refuses_an_object_without_an_id(pair: Pair, verb: str) -> None:
    pair.north.store.rows.spaces[pair.space].members[pair.sven] = Role.MANAGER
    note = pair.south.note(pair.sven, pair.space, "x")
    targets: dict[str, Any] = {"Undo": {"type": "Like", "actor": pair.sven, "object": {"type": "Note"}}}
    target = targets.get(verb) or {k: v for k, v in note.items() if k != "id"}
    assert problem_of(pair.say(pair.line(pair.activity(type=verb, object=target)))) == "out-of-scope"


def _posted(pair: Pair) -> Document:
    said = pair.activity()
    assert pair.say(pair.line(said)) == {"outcome": "processed"}
    note: Document = said["object"]
    return note


def test_refuses_a_second_post_under_the_same_id(pair: Pair) -> None:
    note = _posted(pair)
    again = pair.activity(object={**note, "content": "<p>other</p>"})
    assert problem_of(pair.say(pair.line(again))) == "replay"
    assert pair.north.texts(pair.space) == ["good"]


def test_refuses_to_bring_back_or_like_what_was_deleted(pair: Pair) -> None:
    note = _posted(pair)
    assert pair.say(pair.line(pair.activity(type="Delete", object=note["id"]))) == {"outcome": "processed"}
    assert problem_of(pair.say(pair.line(pair.activity(object=note)))) == "replay"
    assert problem_of(pair.say(pair.line(pair.activity(type="Update", object=note)))) == "out-of-scope"
    assert problem_of(pair.say(pair.line(pair.activity(type="Like", object=note["id"])))) == "out-of-scope"
    assert pair.north.texts(pair.space) == []


def test_refuses_an_edit_that_makes_somebody_else_the_author(pair: Pair) -> None:
    note = _posted(pair)
    changed = {**note, "attributedTo": pair.anna}
    assert problem_of(pair.say(pair.line(pair.activity(type="Update", object=changed)))) == "out-of-scope"


def test_refuses_to_undo_the_like_of_another(pair: Pair) -> None:
    note = _posted(pair)
    pair.north.say(pair.anna, {"type": "Like", "object": note["id"]}, pair.space)
    like = {"type": "Like", "actor": pair.anna, "object": note["id"]}
    assert problem_of(pair.say(pair.line(pair.activity(type="Undo", object=like)))) == "out-of-scope"
    assert pair.north.store.rows.objects[note["id"]].likes == {pair.anna}


def test_refuses_what_a_node_says_in_no_space(pair: Pair) -> None:
    note = _posted(pair)
    said = pair.activity(type="Delete", object=note["id"], actor=pair.south.iri)
    said.pop("audience")
    assert problem_of(pair.say(pair.line(said, pair.south.key))) == "out-of-scope"
    assert pair.north.texts(pair.space) == ["good"]


# -- absent and forbidden are the same


VERBS: dict[str, Callable[[Pair, str], dict[str, Any]]] = {
    "Create": lambda pair, space: {"object": pair.south.note(pair.sven, space, "x")},
    "Join": lambda _, space: {"object": space},
    "Leave": lambda _, space: {"object": space},
    "Like": lambda *_: {"object": UNKNOWN},
    "Announce": lambda pair, _: {"object": pair.activity(), "rev": 1},
}


@pytest.mark.parametrize("verb", VERBS, ids=str)
@pytest.mark.parametrize("kind", ["internal", "of another host"])
def test_a_space_that_is_not_shared_looks_like_none(pair: Pair, verb: str, kind: str) -> None:
    space = pair.north.space("Internal", pair.anna)
    if kind == "of another host":
        row = pair.north.store.rows.spaces[space]
        row.space = replace(row.space, host="https://east.example/actor", hosted=False)
    before = effects(pair.north)
    answers = [
        pair.say(pair.line(pair.activity(type=verb, audience=iri, **VERBS[verb](pair, iri))))
        for iri in (space, "https://north.example/spaces/none")
    ]
    assert effects(pair.north) == before
    problems = [{**each["problem"], "instance": ""} for each in answers]
    assert problems[0] == problems[1]
    assert problem_of(answers[0]) == "out-of-scope"


def test_one_may_knock_at_a_space_whose_name_one_was_told(pair: Pair) -> None:
    space = pair.north.space("Internal", pair.anna)
    said = pair.activity(type="Follow", audience=space, object=space)
    assert pair.say(pair.line(said)) == {"outcome": "processed"}
    assert pair.north.store.rows.spaces[space].requests == [pair.sven]
    assert pair.sven not in pair.north.store.rows.spaces[space].members


@pytest.mark.parametrize("verb", ["Join", "Leave", "Follow"])
def test_refuses_an_audience_that_is_not_the_object(pair: Pair, verb: str) -> None:
    other = pair.north.space("Other", pair.anna)
    said = pair.activity(type=verb, object=other)
    assert problem_of(pair.say(pair.line(said))) == "out-of-scope"


# -- people and organisations


MEMBERSHIP: dict[str, tuple[Callable[[Pair], dict[str, Any]], str]] = {
    "Add of somebody of nowhere": (
        lambda pair: {"type": "Add", "object": "https://west.example/people/1"},
        "out-of-scope",
    ),
    "Add of somebody never introduced": (
        lambda pair: {"type": "Add", "object": pair.south.person("Sigrid")},
        "unknown-actor",
    ),
    "Add to something else": (
        lambda pair: {"type": "Add", "object": pair.sven, "target": f"{pair.space}/files"},
        "out-of-scope",
    ),
    "Remove from something else": (
        lambda pair: {"type": "Remove", "object": pair.anna, "target": f"{pair.space}/files"},
        "out-of-scope",
    ),
    "Remove of somebody who is no member": (
        lambda pair: {"type": "Remove", "object": pair.south.person("Sigrid")},
        "not-member",
    ),
}


@pytest.mark.parametrize("case", MEMBERSHIP, ids=str)
def test_refuses_of_a_manager_an(pair: Pair, case: str) -> None:
    make, problem = MEMBERSHIP[case]
    pair.north.store.rows.spaces[pair.space].members[pair.sven] = Role.MANAGER
    members = {"target": f"{pair.space}/members", **make(pair)}
    before = effects(pair.north)
    assert problem_of(pair.say(pair.line(pair.activity(**members)))) == problem
    assert effects(pair.north) == before


def test_refuses_a_node_that_dismisses_the_people_of_another(pair: Pair) -> None:
    said = pair.activity(
        type="Remove", object=pair.anna, target=f"{pair.space}/members", actor=pair.south.iri
    )
    assert problem_of(pair.say(pair.line(said, pair.south.key))) == "out-of-scope"


def test_an_organisation_leaves_with_its_people(pair: Pair) -> None:
    said = pair.activity(
        type="Undo", object={"id": "https://south.example/a/1", "type": "Accept"}, actor=pair.south.iri
    )
    assert pair.say(pair.line(said, pair.south.key)) == {"outcome": "processed"}
    row = pair.north.store.rows.spaces[pair.space]
    assert pair.sven not in row.members
    assert [each.node for each in row.nodes] == [pair.north.iri]


def test_refuses_to_leave_in_a_space_that_is_not_named(pair: Pair) -> None:
    said = pair.activity(
        type="Undo", object={"id": "https://south.example/a/1", "type": "Accept"}, actor=pair.south.iri
    )
    said.pop("audience")
    assert problem_of(pair.say(pair.line(said, pair.south.key))) == "out-of-scope"


@pytest.mark.parametrize("verb", ["Accept", "Reject"])
def test_an_invitation_to_a_space_is_answered_once(pair: Pair, verb: str) -> None:
    space = pair.north.space("Tunnel", pair.anna)
    invite = pair.north.share(space, pair.south)
    said = pair.activity(type=verb, object={"id": invite, "type": "Invite"}, actor=pair.south.iri)
    said.pop("audience")
    assert pair.say(pair.line(said, pair.south.key)) == {"outcome": "processed"}
    assert pair.north.store.rows.invitations[invite] == (space, pair.south.iri, verb == "Accept")
    again = {**said, "id": "https://south.example/a/again"}
    assert problem_of(pair.say(pair.line(again, pair.south.key))) == "out-of-scope"


@pytest.mark.parametrize("verb", ["Accept", "Reject"])
def test_refuses_to_answer_the_invitation_of_another(pair: Pair, verb: str) -> None:
    pair.north.store.rows.invitations["https://north.example/a/i"] = (
        pair.space,
        "https://east.example/actor",
        None,
    )
    said = pair.activity(
        type=verb, object={"id": "https://north.example/a/i", "type": "Invite"}, actor=pair.south.iri
    )
    said.pop("audience")
    assert problem_of(pair.say(pair.line(said, pair.south.key))) == "out-of-scope"


# -- every charter of the space counts


def test_refuses_for_all_what_the_charter_of_one_does_not_cover(worlds: Worlds) -> None:
    north, east = worlds.north, worlds.east
    relation = north.relation(east)
    agreement: Any = relation.agreement
    scope = {**agreement["scope"], "objectTypes": ["Note"]}
    north.store.rows.relations[east.iri] = replace(relation, agreement={**agreement, "scope": scope})
    before = effects(north)["objects"]
    worlds.south.post(worlds.sven, worlds.space, "long", type="Article")
    worlds.south.deliver(north)
    assert effects(north)["objects"] == before
    with pytest.raises(OutOfScope):
        north.post(worlds.anna, worlds.space, "long", type="Article")


def test_a_line_of_full_size_reaches_everybody(worlds: Worlds) -> None:
    note = worlds.south.note(worlds.sven, worlds.space, "")
    room = 262_144 - len(documents.dumps(note)) - 1500
    worlds.south.post(worlds.sven, worlds.space, "x" * room)
    worlds.settle()
    for node in (worlds.north, worlds.south, worlds.east):
        assert len(node.texts(worlds.space)[0]) == room


def test_nothing_is_said_to_an_ended_relation_and_what_a_suspended_one_misses_waits(worlds: Worlds) -> None:
    north, south, east = worlds.north, worlds.south, worlds.east
    rows = north.store.rows
    logged = {node.iri: len(rows.out[node.iri]) for node in (south, east)}
    rows.relations[south.iri] = replace(north.relation(south), state=State.SUSPENDED)
    rows.relations[east.iri] = replace(north.relation(east), state=State.TERMINATED)
    north.post(worlds.anna, worlds.space, "meanwhile")
    rows = north.store.rows
    assert len(rows.out[south.iri]) == logged[south.iri] + 1
    assert len(rows.out[east.iri]) == logged[east.iri]


@pytest.mark.parametrize("state", [State.SUSPENDED, State.TERMINATED])
def test_we_say_nothing_to_a_host_without_an_agreement_in_force(pair: Pair, state: State) -> None:
    pair.south.store.rows.relations[pair.north.iri] = replace(pair.south.relation(pair.north), state=state)
    before = effects(pair.south)
    with pytest.raises(Forbidden):
        pair.south.post(pair.sven, pair.space, "too late")
    relation = pair.south.relation(pair.north)
    with pair.south.work() as work, pytest.raises(Forbidden):
        pair.south.federation.tell(relation, {"type": "Accept"}, pair.south.iri, work)
    with pair.south.work() as work, pytest.raises(Forbidden):
        outbox.backfill(relation, pair.space, [], work, pair.south.settings)
    assert effects(pair.south) == before


def test_we_say_nothing_where_the_host_is_no_partner(pair: Pair) -> None:
    del pair.south.store.rows.relations[pair.north.iri]
    with pytest.raises(NoAgreement):
        pair.south.post(pair.sven, pair.space, "to nobody")


def test_we_say_nothing_in_no_space(pair: Pair) -> None:
    said = {"type": "Update", "object": pair.north.store.rows.documents[pair.anna]}
    with pair.north.work() as work, pytest.raises(LocalError):
        pair.north.federation.publish(said, pair.north.iri, work)


def test_we_say_nothing_for_others(pair: Pair) -> None:
    pair.north.store.signers[pair.sven] = pair.south.store.signers[pair.sven]
    note = pair.south.note(pair.sven, pair.space, "in his name")
    said = {"type": "Create", "object": note, "audience": pair.space}
    for document in (said, {**said, "id": "https://south.example/a/1"}):
        with pair.north.work() as work, pytest.raises(OutOfScope):
            pair.north.federation.publish(document, pair.sven, work)


# -- rosters of our own


def test_refuses_to_take_an_organisation_in_without_an_agreement(pair: Pair) -> None:
    with pytest.raises(NoAgreement):
        pair.north.write_roster(pair.space, add=Node("east", pair.clock))


def test_refuses_to_take_an_organisation_in_whose_agreement_is_not_in_force(worlds: Worlds) -> None:
    north, east = worlds.north, worlds.east
    space = north.space("New", worlds.anna)
    north.store.rows.relations[east.iri] = replace(north.relation(east), state=State.SUSPENDED)
    with pytest.raises(Forbidden):
        north.write_roster(space, add=east)


def test_refuses_to_take_an_organisation_in_under_another_key(worlds: Worlds) -> None:
    space = worlds.north.space("New", worlds.anna)
    worlds.east.key = SigningKey.generate(worlds.east.key.key_id)
    try:
        with pytest.raises(BadProof):
            worlds.north.write_roster(space, add=worlds.east)
    finally:
        worlds.east.key = worlds.east.store.signers[worlds.east.iri]


def test_refuses_a_third_organisation_where_one_agreement_forbids_it(worlds: Worlds) -> None:
    north, south = worlds.north, worlds.south
    space = north.space("New", worlds.anna)
    relation = north.relation(south)
    agreement: Any = relation.agreement
    scope = {**agreement["scope"], "onwardTransfer": "none"}
    north.store.rows.relations[south.iri] = replace(relation, agreement={**agreement, "scope": scope})
    north.write_roster(space, add=south)
    with pytest.raises(OutOfScope):
        north.write_roster(space, add=worlds.east)


def test_an_organisation_can_be_taken_out_although_another_relation_has_ended(worlds: Worlds) -> None:
    del worlds.north.store.rows.relations[worlds.south.iri]
    worlds.north.write_roster(worlds.space, remove=worlds.east)
    names = [each.node for each in worlds.north.store.rows.spaces[worlds.space].nodes]
    assert names == [worlds.north.iri, worlds.south.iri]


# -- what reads strangers' bytes


def test_refuses_ten_mebibytes_before_anything_else(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    request = pair.south.parcel(pair.north, lines=0).request
    monkeypatch.setattr(signatures, "peer_signature", lambda *_: pytest.fail("nothing is read"))
    response = pair.north.federation.receive_batch(replace(request, body=b"x" * 10 * 2**20))
    assert response.status == 413


STRANGE: dict[str, bytes] = {
    "a key that stands twice": b'{"id":"https://south.example/a/1","id":"https://south.example/a/1","type":"Create"}',
    "NaN": b'{"id":"https://south.example/a/1","type":"Create","n":NaN}',
    "20 000 levels": b'{"id":"https://south.example/a/1","type":"Create","n":'
    + b"[" * 20_000
    + b"]" * 20_000
    + b"}",
    "half a surrogate": b'{"id":"https://south.example/a/1","type":"Create","n":"\\ud800"}',
    "no UTF-8": b'{"id":"\xff"}',
    "no JSON": b"<html>",
}


@pytest.mark.parametrize("case", STRANGE, ids=str)
def test_refuses_a_line_that_holds(pair: Pair, case: str) -> None:
    before = effects(pair.north)
    rows = {n: {"id": "https://south.example/a/1", "type": "Create"} for n in range(1, 100)}
    exception = pair.say(STRANGE[case], rows=rows)
    assert problem_of(exception) == "malformed"
    assert effects(pair.north) == before


def test_a_post_that_names_no_space_lies_where_it_is_said(pair: Pair) -> None:
    document = pair.activity()
    del document["object"]["audience"]
    assert pair.say(pair.line(document)) == {"outcome": "processed"}
    assert pair.north.store.rows.objects[document["object"]["id"]].stored.audience == pair.space


LISTS: dict[str, tuple[Any, int]] = {
    "cc": ("https://south.example/people/x", limits.MAX_ADDRESSES),
    "attachment": ({"type": "Document", "mediaType": "text/plain", "size": 1}, limits.MAX_ATTACHMENTS),
    "tag": ({"type": "Hashtag", "name": "#x"}, limits.MAX_TAGS),
}


@pytest.mark.parametrize("of", ["activity", "object"])
@pytest.mark.parametrize("member", LISTS)
def test_a_list_is_full_at_its_limit(pair: Pair, member: str, of: str) -> None:
    one, most = LISTS[member]
    for more, outcome in ((1, "rejected"), (0, "processed")):
        document = pair.activity()
        long = document["object"] if of == "object" else document
        others = len(documents.addresses(long)) if member == "cc" else 0
        long[member] = [one] * (most - others + more)
        before = effects(pair.north)
        assert pair.say(pair.line(document))["outcome"] == outcome
        assert (effects(pair.north) == before) is bool(more)


def test_a_poison_line_in_the_middle_stops_nobody(pair: Pair) -> None:
    lines = [pair.line(pair.activity(id=f"https://south.example/a/{n}")) for n in range(3)]
    lines.insert(1, STRANGE["20 000 levels"])
    response, receipt = post_batch(pair.south, pair.north, lines)
    assert response.status == 200
    assert [each["outcome"] for each in receipt["exceptions"]] == ["rejected"]
    assert pair.north.texts(pair.space) == ["good"] * 3


def test_refuses_a_line_that_is_not_the_one_of_its_entry(pair: Pair) -> None:
    line = pair.line(pair.activity())
    other = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
    assert problem_of(pair.say(line, digest=other)) == "digest-mismatch"
    rows = {n: {"id": "https://south.example/a/other", "type": "Create"} for n in range(1, 100)}
    assert problem_of(pair.say(line, rows=rows)) == "malformed"


def test_an_erased_line_keeps_its_place_and_does_nothing(pair: Pair) -> None:
    before = effects(pair.north)
    assert pair.say(
        b"", rows={n: {"id": "https://south.example/a/1", "type": "Create"} for n in range(1, 100)}
    ) == {"outcome": "processed"}
    assert effects(pair.north) == before


# -- the agreement


def _relation(pair: Pair, **changes: Any) -> None:
    relation = pair.north.relation(pair.south)
    pair.north.store.rows.relations[pair.south.iri] = replace(relation, **changes)


def test_refuses_after_the_agreement_has_ended(pair: Pair) -> None:
    pair.clock.advance(366 * 86400)
    response = pair.north.federation.receive_batch(pair.south.parcel(pair.north, lines=0).request)
    assert documents.loads(response.body)["type"].endswith("#no-agreement")


@pytest.mark.parametrize("state", [each for each in State if each not in {State.IN_FORCE, State.SUSPENDED}])
def test_refuses_before_and_after_the_agreement_is_in_force(pair: Pair, state: State) -> None:
    _relation(pair, state=state)
    response = pair.north.federation.receive_batch(pair.south.parcel(pair.north, lines=0).request)
    assert documents.loads(response.body)["type"].endswith("#no-agreement")


def test_says_when_to_ask_again_while_suspended(pair: Pair) -> None:
    _relation(pair, state=State.SUSPENDED)
    response = pair.north.federation.receive_batch(pair.south.parcel(pair.north, lines=0).request)
    assert response.headers.get("retry-after") == "3600"


def test_refuses_under_another_agreement_and_tells_ours(pair: Pair) -> None:
    _relation(pair, agreement_digest="zQmPeKaWLs2Epq6iQVYzUes1tJJYBUmiWuuMAii5s6zQkDt")
    response = pair.north.federation.receive_batch(pair.south.parcel(pair.north, lines=0).request)
    problem = documents.loads(response.body)
    assert (response.status, problem["type"].rpartition("#")[2]) == (409, "other-agreement")
    assert problem["agreement"] == "zQmPeKaWLs2Epq6iQVYzUes1tJJYBUmiWuuMAii5s6zQkDt"


def test_refuses_another_stream_than_the_agreed_one(pair: Pair) -> None:
    _relation(pair, stream_in="https://south.example/streams/other")
    response = pair.north.federation.receive_batch(pair.south.parcel(pair.north, lines=0).request)
    assert documents.loads(response.body)["type"].endswith("#no-agreement")


def test_before_the_accept_nothing_but_the_accept_of_the_offer_is_read(pair: Pair) -> None:
    present = pair.north.relation(pair.south)
    proposal = Proposal(
        present.offer, present.agreement or {}, present.agreement_digest, "2027-01-01T00:00:00Z", by_us=True
    )
    _relation(pair, state=State.OFFERED, agreement=None, agreement_digest="", proposal=proposal)
    for members in ({}, {"type": "Accept", "object": {"id": "https://north.example/a/i", "type": "Invite"}}):
        said = pair.activity(actor=pair.south.iri, **members)
        assert problem_of(pair.say(pair.line(said, pair.south.key))) == "no-agreement"


# -- the node inbox


INBOX: dict[str, Callable[[Pair], dict[str, Any]]] = {
    "a post": lambda pair: {"object": pair.south.note(pair.sven, pair.space, "x")},
    "an edit": lambda pair: {"type": "Update", "object": pair.south.note(pair.sven, pair.space, "x")},
    "an introduction": lambda pair: {
        "type": "Update",
        "actor": pair.south.iri,
        "object": pair.south.store.rows.documents[pair.sven],
    },
    "an answer to an invitation": lambda pair: {
        "type": "Reject",
        "actor": pair.south.iri,
        "object": {"id": "https://north.example/a/i", "type": "Invite"},
    },
    "an undone Like": lambda pair: {
        "type": "Undo",
        "object": {"type": "Like", "actor": pair.sven, "object": UNKNOWN},
    },
}


@pytest.mark.parametrize("case", INBOX, ids=str)
@pytest.mark.parametrize("state", list(State))
def test_nothing_but_the_handshake_enters_by_the_inbox(pair: Pair, case: str, state: State) -> None:
    _relation(pair, state=state)
    said = pair.activity(**INBOX[case](pair))
    said.pop("audience")
    before = effects(pair.north)
    key = pair.south.key if said["actor"] == pair.south.iri else pair.south.store.signers[said["actor"]]
    assert pair.south.inbox(activity.read(pair.line(said, key)), pair.north).status == 403
    assert effects(pair.north) == before


def test_refuses_an_activity_of_the_inbox_that_is_too_large_or_none(pair: Pair) -> None:
    said = activity.read(pair.line(pair.activity()))
    assert (
        pair.south.inbox(replace(said, raw=b" " * (limits.MAX_ACTIVITY_BYTES + 1)), pair.north).status == 413
    )
    assert pair.south.inbox(replace(said, raw=b"[]"), pair.north).status == 422


def test_refuses_an_unsigned_activity_of_the_inbox_before_it_is_read(pair: Pair) -> None:
    request = Request("POST", f"{pair.north.iri}/inbox", Headers(()), b"[]")
    assert pair.north.federation.receive_single(request).status == 401


# -- reading


def _read(pair: Pair, url: str = "", first: int = 1, last: int = 9, key: SigningKey | None = None) -> int:
    stream = url or pair.north.relation(pair.south).stream_out
    unsigned = Request("GET", f"{stream}?from={first}&to={last}", Headers(()))
    signed = signatures.sign_request(
        unsigned,
        key or pair.south.key,
        created=int(pair.clock.now.timestamp()),
        nonce="abcdefghijklmnopqrstuv",
    )
    return pair.north.federation.read_log(signed, stream, first, last).status


def test_a_partner_reads_its_own_stream_and_nothing_else(pair: Pair) -> None:
    assert _read(pair) == 200
    assert _read(pair, first=3, last=1) == 200
    assert _read(pair, first=0) == 404
    assert _read(pair, url="https://north.example/streams/east") == 404
    assert _read(pair, key=Node("east", pair.clock).key) == 404
    assert _read(pair, key=SigningKey.generate(pair.south.key.key_id)) == 404


@pytest.mark.parametrize("state", [each for each in State if each is not State.IN_FORCE])
def test_nothing_is_read_without_an_agreement_in_force(pair: Pair, state: State) -> None:
    _relation(pair, state=state)
    assert _read(pair) == 404


def test_a_key_that_is_named_by_no_iri_is_no_signature(pair: Pair) -> None:
    request = pair.south.parcel(pair.north, lines=0).request
    bare = [header for header in request.headers if "signature" not in header[0].lower()]
    signed = signatures.sign_request(
        replace(request, headers=Headers(bare)),
        SigningKey.generate("main-key"),
        created=int(pair.clock.now.timestamp()),
        nonce="abcdefghijklmnopqrstuv",
    )
    assert pair.north.federation.receive_batch(signed).status == 401


def test_refuses_a_proof_of_the_future(pair: Pair) -> None:
    said = sign(pair.activity(), pair.south.store.signers[pair.sven], "2026-11-25T08:00:00Z")
    assert problem_of(pair.say(documents.dumps(said))) == "bad-proof"


def test_refuses_the_node_under_a_key_that_the_agreement_does_not_name(pair: Pair) -> None:
    introduction = pair.activity(
        type="Update", actor=pair.south.iri, object=pair.south.store.rows.documents[pair.sven]
    )
    introduction.pop("audience")
    other = SigningKey.generate(f"{pair.south.iri}#other")
    assert problem_of(pair.say(pair.line(introduction, other))) == "unknown-actor"


# -- once more, by our own fault


def test_a_kept_line_is_taken_when_it_is_tried_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    from federation.adapters import memory

    def fails(self: memory.Objects, effect: object) -> None:
        raise ZeroDivisionError

    line = pair.line(pair.activity())
    with monkeypatch.context() as patch:
        patch.setattr(memory.Objects, "create", fails)
        assert pair.say(line)["outcome"] == "received"
    entry, _ = pair.north.store.rows.taken[pair.south.iri][-1]
    relation = pair.north.relation(pair.south)
    with pair.north.work() as work:
        assert inbox.retry(entry, line, relation, work, pair.north.settings) == Outcome("processed")
    assert pair.north.texts(pair.space) == ["good"]


def test_a_kept_line_that_is_no_longer_allowed_is_rejected_when_it_is_tried_again(pair: Pair) -> None:
    line = pair.line(pair.activity())
    entry = exchange.entry(
        "https://south.example/streams/north",
        1,
        "zQmPeKaWLs2Epq6iQVYzUes1tJJYBUmiWuuMAii5s6zQkDt",
        documents.loads(line)["id"],
        "Create",
        digest.content_digest(line),
        pair.clock.moment,
    )
    _relation(pair, state=State.SUSPENDED)
    relation = pair.north.relation(pair.south)
    with pair.north.work() as work:
        outcome = inbox.retry(entry, line, relation, work, pair.north.settings)
    assert outcome.outcome == "rejected"
    assert pair.north.texts(pair.space) == []


def test_a_range_that_was_receipted_in_pieces_is_receipted_whole(pair: Pair) -> None:
    for text in ("one", "two"):
        pair.south.post(pair.sven, pair.space, text)
    for _ in range(2):
        parcel = pair.south.parcel(pair.north, lines=1)
        assert pair.north.federation.receive_batch(parcel.request).status == 200
        pair.south.store.rows.acknowledged[pair.north.iri] += 1
    pair.south.store.rows.acknowledged[pair.north.iri] -= 2
    assert pair.south.deliver(pair.north).__class__.__name__ == "Delivered"
    assert pair.north.texts(pair.space) == ["one", "two"]


def test_our_organisation_leaves_the_space_of_another(pair: Pair) -> None:
    left = {"type": "Undo", "object": {"id": "https://south.example/a/accepted", "type": "Accept"}}
    with pair.south.work() as work:
        pair.south.federation.publish({**left, "audience": pair.space}, pair.south.iri, work)
    pair.south.deliver(pair.north)
    assert pair.sven not in pair.north.store.rows.spaces[pair.space].members


def test_refuses_an_actor_of_another_node(worlds: Worlds) -> None:
    worlds.south.store.signers[worlds.elsa] = worlds.east.store.signers[worlds.elsa]
    said = {
        "@context": list(CONTEXT),
        "id": "https://east.example/a/1",
        "type": "Create",
        "actor": worlds.elsa,
        "audience": worlds.space,
        "published": worlds.clock.moment,
        "object": worlds.east.note(worlds.elsa, worlds.space, "not through south"),
    }
    line = documents.dumps(sign(said, worlds.south.store.signers[worlds.elsa], worlds.clock.moment))
    _, receipt = post_batch(worlds.south, worlds.north, [line])
    assert problem_of(receipt["exceptions"][0]) == "out-of-scope"


def test_refuses_an_activity_type_that_the_charter_leaves_out(pair: Pair) -> None:
    relation = pair.north.relation(pair.south)
    agreement: Any = relation.agreement
    scope = {**agreement["scope"], "activityTypes": ["Create"]}
    _relation(pair, agreement={**agreement, "scope": scope})
    note = _posted(pair)
    assert problem_of(pair.say(pair.line(pair.activity(type="Like", object=note["id"])))) == "out-of-scope"


def test_refuses_more_bytes_than_the_charter_allows(pair: Pair) -> None:
    relation = pair.north.relation(pair.south)
    agreement: Any = relation.agreement
    scope = {**agreement["scope"], "maxObjectBytes": 500}
    _relation(pair, agreement={**agreement, "scope": scope})
    assert problem_of(pair.say(pair.line(pair.activity()))) == "out-of-scope"


def test_the_public_is_addressed_where_both_allowed_it(pair: Pair) -> None:
    relation = pair.north.relation(pair.south)
    agreement: Any = relation.agreement
    scope = {**agreement["scope"], "publicAddressing": "allowed"}
    _relation(pair, agreement={**agreement, "scope": scope})
    assert pair.say(pair.line(pair.activity(cc="as:Public"))) == {"outcome": "processed"}


def test_refuses_our_own_words_about_another_space_than_they_are_said_in(pair: Pair) -> None:
    note = pair.north.note(pair.anna, f"{pair.space}x", "astray")
    with pytest.raises(OutOfScope):
        pair.north.say(pair.anna, {"type": "Create", "object": note}, pair.space)


def test_refuses_to_be_knocked_at_where_the_charter_leaves_it_out(pair: Pair) -> None:
    relation = pair.north.relation(pair.south)
    agreement: Any = relation.agreement
    scope = {**agreement["scope"], "activityTypes": ["Create"]}
    _relation(pair, agreement={**agreement, "scope": scope})
    said = pair.activity(type="Follow", object=pair.space)
    assert problem_of(pair.say(pair.line(said))) == "out-of-scope"


@pytest.mark.parametrize("kind", ["node", "space"])
def test_only_people_enter_a_space(pair: Pair, kind: str) -> None:
    actor = pair.south.iri if kind == "node" else pair.south.space("Ours", pair.sven)
    with pair.north.work() as work:
        work.actors.learn(pair.south.store.rows.documents.get(actor) or _node_document(pair), pair.south.iri)
    before = effects(pair.north)
    joins = pair.activity(type="Join", object=pair.space, actor=actor)
    key = pair.south.key if kind == "node" else pair.south.store.signers[actor]
    assert problem_of(pair.say(pair.line(joins, key))) == "out-of-scope"
    pair.north.store.rows.spaces[pair.space].members[pair.sven] = Role.MANAGER
    added = pair.activity(type="Add", object=actor, target=f"{pair.space}/members")
    assert problem_of(pair.say(pair.line(added))) == "out-of-scope"
    pair.north.store.rows.spaces[pair.space].members[pair.sven] = Role.MEMBER
    assert effects(pair.north) == before


def _node_document(pair: Pair) -> Document:
    key = {"id": pair.south.key.key_id, "publicKeyMultibase": pair.south.key.public.multibase}
    return {"id": pair.south.iri, "type": "Application", "assertionMethod": [key]}


def test_refuses_a_node_that_dismisses_in_no_space(pair: Pair) -> None:
    said = pair.activity(
        type="Remove", object=pair.sven, target=f"{pair.space}/members", actor=pair.south.iri
    )
    said.pop("audience")
    assert problem_of(pair.say(pair.line(said, pair.south.key))) == "out-of-scope"
    assert pair.sven in pair.north.store.rows.spaces[pair.space].members


def test_refuses_a_post_without_an_id(pair: Pair) -> None:
    note = {k: v for k, v in pair.south.note(pair.sven, pair.space, "x").items() if k != "id"}
    assert problem_of(pair.say(pair.line(pair.activity(object=note)))) == "out-of-scope"


# -- ranges, again and in part


def _requests(pair: Pair, *batches: int) -> list[Request]:
    """South says so much, and never hears what became of it: requests of these many lines, then of all."""
    for number in range(sum(batches)):
        pair.south.post(pair.sven, pair.space, str(number))
    sent, begun = [], pair.south.store.rows.acknowledged[pair.north.iri]
    for lines in batches:
        sent.append(pair.south.parcel(pair.north, lines).request)
        assert pair.north.federation.receive_batch(sent[-1]).status == 200
        pair.south.store.rows.acknowledged[pair.north.iri] += lines
    pair.south.store.rows.acknowledged[pair.north.iri] = begun
    return sent


def _ranges(pair: Pair, lines: int) -> tuple[int, int]:
    parcel = pair.south.parcel(pair.north, lines)
    receipt = documents.loads(pair.north.federation.receive_batch(parcel.request).body)
    begun = pair.south.store.rows.acknowledged[pair.north.iri]
    return receipt["from"] - begun, receipt["to"] - begun


def test_an_old_range_is_receipted_as_it_was_sent(pair: Pair) -> None:
    _requests(pair, 2, 3)
    assert _ranges(pair, 2) == (1, 2)
    assert _ranges(pair, 5) == (1, 5)
    assert _ranges(pair, 0) == (5, 5)
    assert pair.north.texts(pair.space) == list("01234")


def test_a_hello_and_a_range_of_one_line_are_not_taken_for_each_other(pair: Pair) -> None:
    _requests(pair, 1)
    for lines in (0, 1, 0, 1):
        parcel = pair.south.parcel(pair.north, lines)
        response = pair.north.federation.receive_batch(parcel.request)
        with pair.south.work() as work:
            verdict = delivery.settle(parcel, response, work, pair.south.settings)
            work.rows.acknowledged[pair.north.iri] -= lines
        assert isinstance(verdict, delivery.Delivered)


def test_the_whole_log_may_be_said_again_from_its_first_entry(pair: Pair) -> None:
    _requests(pair, 2)
    before = effects(pair.north)
    pair.south.store.rows.acknowledged[pair.north.iri] = 0
    assert pair.south.deliver(pair.north).__class__.__name__ == "Delivered"
    assert effects(pair.north) == before


def test_a_receipt_names_the_exceptions_of_the_part_that_was_known(pair: Pair) -> None:
    pair.north.store.rows.spaces[pair.space].members.pop(pair.sven)
    _requests(pair, 1)
    pair.north.store.rows.spaces[pair.space].members[pair.sven] = Role.MEMBER
    pair.south.post(pair.sven, pair.space, "member again")
    parcel = pair.south.parcel(pair.north)
    receipt = documents.loads(pair.north.federation.receive_batch(parcel.request).body)
    assert [each["seq"] for each in receipt["exceptions"]] == [parcel.entries[0].seq]
    assert pair.north.texts(pair.space) == ["member again"]


def test_refuses_a_line_of_another_type_than_its_entry_says(pair: Pair) -> None:
    said = pair.activity()
    rows = {n: {"id": said["id"], "type": "Update"} for n in range(1, 100)}
    assert problem_of(pair.say(pair.line(said), rows=rows)) == "malformed"


@pytest.mark.parametrize(
    "verb", ["Undo", "Accept", "Reject", "Offer", "Invite", "Update", "Create", "Announce"]
)
def test_refuses_a_reference_where_the_object_should_stand(pair: Pair, verb: str) -> None:
    assert pair.say(pair.line(pair.activity(type=verb, object=UNKNOWN)))["outcome"] == "rejected"


def test_everything_in_a_space_waits_behind_a_join_that_was_kept(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    from federation.adapters import memory

    def fails(self: memory.Spaces, effect: object, actor: str, role: object) -> None:
        raise ZeroDivisionError

    sigrid = pair.south.person("Sigrid")
    with monkeypatch.context() as patch:
        patch.setattr(memory.Spaces, "admit", fails)
        pair.south.say(sigrid, {"type": "Join", "object": pair.space}, pair.space)
        pair.south.deliver(pair.north)
    assert pair.say(pair.line(_by(pair, sigrid)))["outcome"] == "received"
