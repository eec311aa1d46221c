"""What a partner may not say, said at the door: no effect, an audit line, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from federation import documents, signatures
from federation.activity import CONTEXT, Document
from federation.errors import NoAgreement, NotMember, OutOfScope
from federation.http import Headers, Request
from federation.keys import SigningKey
from federation.ports import State
from federation.proofs import sign
from tests.federation.world import Node, Pair, effects, problem_of


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
