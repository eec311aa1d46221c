"""What is refused at the door of a node while two of them peer: without effect, and on record."""

from __future__ import annotations

from typing import Any

import pytest

from federation import documents, handshake, proofs
from federation.activity import Document
from federation.digest import digest
from federation.http import Headers, Request, Response
from federation.keys import SigningKey, fingerprint
from federation.ports import State
from node.core.clock import SetClock, rfc3339
from node.core.errors import Changed, Invalid, Unavailable
from node.exchange import service as exchange
from node.relations.services.desk import NotTheStep
from node.relations.services.invitations import LooksAlike
from tests.node.relations.conftest import MakePeer
from tests.node.relations.peers import MARIE, Net, Peer, peered, verified


def acceptance(guest: Peer, host: Peer, link: str, **changes: Any) -> bytes:
    """What the guest's node would say, some of it changed before it is proved by the guest's key."""
    with exchange.open_reading(guest.ground) as work:
        key: SigningKey = work.actors.signer(guest.iri)
    document: Document = {
        "@context": ["https://www.w3.org/ns/activitystreams"],
        "id": f"{guest.origin}/a/1",
        "actor": guest.iri,
        "published": rfc3339(guest.clock.now()),
        **handshake.acceptance(
            handshake.read_link(link), host.iri, key.public, exchange.settings_of(guest.ground)
        ),
    }
    for name, value in changes.items():
        if name in document["inviteBinding"]:
            document["inviteBinding"][name] = value
        else:
            document[name] = value
    return documents.dumps(proofs.sign(document, key, rfc3339(guest.clock.now())))


def problem(response: Response) -> str:
    return str(documents.loads(response.body).get("detail"))


def no_relation(host: Peer) -> bool:
    return [each for each in host.relations.everybody() if each.id] == []


def test_the_acceptance_as_it_should_be_is_taken(aubier: Peer, nord: Peer) -> None:
    assert nord.post(aubier, acceptance(nord, aubier, aubier.invite())).status == 202


def test_refuses_a_wrong_mac(aubier: Peer, nord: Peer) -> None:
    link = aubier.invite()
    answer = nord.post(aubier, acceptance(nord, aubier, link, mac="A" * 43))
    assert answer.status == 403
    assert no_relation(aubier)
    assert nord.post(aubier, acceptance(nord, aubier, link)).status == 202  # one mistake burns nothing


def test_refuses_a_mac_made_for_another_key(aubier: Peer, nord: Peer, make_peer: MakePeer) -> None:
    cyan, link = make_peer("cyan"), aubier.invite()
    stolen = documents.loads(acceptance(nord, aubier, link))["inviteBinding"]["mac"]
    assert cyan.post(aubier, acceptance(cyan, aubier, link, mac=stolen)).status == 403
    assert no_relation(aubier)


def test_five_wrong_attempts_burn_the_invitation(aubier: Peer, nord: Peer) -> None:
    link = aubier.invite()
    for number in range(5):
        body = acceptance(nord, aubier, link, mac="A" * 43, id=f"{nord.origin}/a/{number}")
        assert nord.post(aubier, body).status == 403
    assert nord.post(aubier, acceptance(nord, aubier, link)).status == 429
    assert no_relation(aubier)
    assert any(line.startswith("invite.burnt") for line in aubier.audited())
    assert aubier.relations.everybody()[0].state == "expired"


def test_refuses_a_used_invitation(aubier: Peer, nord: Peer, make_peer: MakePeer) -> None:
    link = aubier.invite()
    nord.accept(link)
    cyan = make_peer("cyan")
    assert cyan.post(aubier, acceptance(cyan, aubier, link)).status == 409
    with pytest.raises(Invalid):
        cyan.accept(link)
    assert cyan.relations.everybody()[0].state == "rejected"
    assert len(aubier.relations.everybody()) == 1


def test_refuses_an_expired_invitation(aubier: Peer, nord: Peer, clock: SetClock) -> None:
    link = aubier.invite()
    clock.move(hours=72)
    assert nord.post(aubier, acceptance(nord, aubier, link)).status == 400
    assert no_relation(aubier)


def test_refuses_a_cancelled_invitation(aubier: Peer, nord: Peer) -> None:
    made = aubier.relations.invite(MARIE)
    aubier.relations.cancel(made.key, MARIE)
    assert nord.post(aubier, acceptance(nord, aubier, made.link)).status == 400


def test_the_token_is_gone_when_it_is_of_no_more_use(aubier: Peer, nord: Peer, clock: SetClock) -> None:
    nord.accept(aubier.invite())
    aubier.invite()
    assert aubier.count("invite") == 2
    clock.move(hours=73)
    assert aubier.relations.forget_tokens() == 1


def test_refuses_another_domain_than_expected(aubier: Peer, nord: Peer, make_peer: MakePeer) -> None:
    link = aubier.invite(host=nord.host)
    cyan = make_peer("cyan")
    answer = cyan.post(aubier, acceptance(cyan, aubier, link))
    assert (answer.status, problem(answer)) == (403, "The invitation expects another domain.")
    assert nord.accept(link).state == "keys-exchanged"


def test_refuses_a_proof_by_another_key_than_the_bound_one(
    aubier: Peer, nord: Peer, make_peer: MakePeer
) -> None:
    link = aubier.invite()
    body = documents.loads(acceptance(nord, aubier, link))
    other = SigningKey.generate(f"{nord.iri}#ed25519")
    forged = documents.dumps(proofs.sign(body, other, rfc3339(nord.clock.now())))
    assert nord.post(aubier, forged).status == 403
    assert no_relation(aubier)


def test_refuses_a_request_signed_by_another_than_the_bound_key(
    aubier: Peer, nord: Peer, make_peer: MakePeer
) -> None:
    body = acceptance(nord, aubier, aubier.invite())
    assert nord.post(aubier, body, signer=make_peer("cyan")).status == 403
    assert no_relation(aubier)


def test_refuses_an_unsigned_acceptance(aubier: Peer, nord: Peer, net: Net) -> None:
    body = acceptance(nord, aubier, aubier.invite())
    headers = Headers((("Content-Type", "application/activity+json"),))
    assert net.send(Request("POST", f"{aubier.iri}/inbox", headers, body)).status == 401
    assert no_relation(aubier)


def test_refuses_a_second_relation_with_a_partner(aubier: Peer, nord: Peer) -> None:
    verified(aubier, nord)
    link = aubier.invite()
    with pytest.raises(Invalid):
        nord.accept(link)
    answer = nord.post(aubier, acceptance(nord, aubier, link))
    assert (answer.status, problem(answer)) == (403, "There is a relation with this node already.")
    assert aubier.partner(nord).state == "verified"


def test_a_new_link_replaces_a_relation_that_was_never_verified(aubier: Peer, nord: Peer) -> None:
    nord.accept(aubier.invite())
    nord.accept(aubier.invite())
    assert nord.relation(aubier).state is State.KEYS_EXCHANGED
    nord.confirm(aubier)
    aubier.confirm(nord)
    assert aubier.relation(nord).state is State.VERIFIED


@pytest.mark.parametrize("ours", [True, False])
def test_refuses_an_offer_before_both_have_confirmed(aubier: Peer, nord: Peer, ours: bool) -> None:
    nord.accept(aubier.invite())
    (nord if ours else aubier).confirm(aubier if ours else nord)
    with pytest.raises(NotTheStep):
        nord.propose(aubier)
    offered = offer(nord, aubier)
    assert nord.post(aubier, offered).status == 403
    assert aubier.partner(nord).state == "keys-exchanged"


def offer(guest: Peer, host: Peer, **changes: Any) -> bytes:
    """An Offer of the guest's node, with members of the agreement replaced by their path."""
    now = guest.clock.now()
    agreement: Document = documents.loads(documents.dumps(drafted(guest, host)))
    for path, value in changes.items():
        *steps, last = path.split("__")
        place: Any = agreement
        for step in steps:
            place = place[int(step) if step.isdecimal() else step]
        place[int(last) if last.isdecimal() else last] = value
    document = {
        "type": "Offer",
        "to": [host.iri],
        "endTime": rfc3339(now.replace(year=now.year + 1)),
        "object": agreement,
        "objectDigest": digest(agreement),
    }
    return guest.write(document).raw


def drafted(guest: Peer, host: Peer) -> Document:
    from node.relations.services.terms import Choices, draft

    with exchange.open_reading(guest.ground) as work:
        row = {"origin": host.origin}
        ours, theirs = guest.relations._parties(work, row, guest.relation(host))
    return draft(f"{guest.origin}/peering/agreements/1", ours, theirs, Choices(), guest.clock.now())


@pytest.mark.parametrize(
    ("path", "value", "status"),
    [
        ("parties__0__keys", ["z6MktahAQ2qzeqesjLJ73C1NLsXjgc2MsoAvC3YkGhUsdRge"], 403),
        ("parties__1__keys", ["z6MktahAQ2qzeqesjLJ73C1NLsXjgc2MsoAvC3YkGhUsdRge"], 403),
        ("parties__1__stream", "http://cyan.localhost:8101/streams/1", 403),
        ("parties__1__node", "http://cyan.localhost:8101/actor", 422),
        ("scope__unheardOf", True, 422),
        ("scope__maxFileBytes", "many", 422),
        ("scope__publicAddressing", "allowed", 403),
        ("endTime", "2020-01-01T00:00:00Z", 422),
        ("version", 2, 403),
        ("parties__0__retention", "soon", 422),
        ("parties", "none", 422),
    ],
)
def test_refuses_an_agreement_that_is_none_or_binds_others(
    aubier: Peer, nord: Peer, path: str, value: object, status: int
) -> None:
    verified(aubier, nord)
    assert nord.post(aubier, offer(nord, aubier, **{path: value})).status == status
    assert aubier.partner(nord).state == "verified"
    assert any(line.startswith("exchange.refused") for line in aubier.audited())


@pytest.mark.parametrize(
    "changes", [{}, {"identity__minAcr": ["phr"]}, {"identity__emailDomains": "declared-only"}]
)
def test_takes_the_same_offer_unchanged_or_with_demands_on_how_people_sign_in(
    aubier: Peer, nord: Peer, changes: dict[str, object]
) -> None:
    verified(aubier, nord)
    assert nord.post(aubier, offer(nord, aubier, **changes)).status == 202
    assert aubier.partner(nord).state == "offered"


def test_refuses_an_offer_whose_digest_is_another(aubier: Peer, nord: Peer) -> None:
    verified(aubier, nord)
    agreement = drafted(nord, aubier)
    document = {
        "type": "Offer",
        "to": [aubier.iri],
        "endTime": "2099-01-01T00:00:00Z",
        "object": agreement,
        "objectDigest": digest({}),
    }
    assert nord.post(aubier, nord.write(document)).status == 422


def test_an_offer_cannot_end_an_agreement_in_force(aubier: Peer, nord: Peer) -> None:
    peered(aubier, nord)
    assert nord.post(aubier, offer(nord, aubier)).status == 403
    rejected = {
        "type": "Reject",
        "to": [aubier.iri],
        "object": {"id": aubier.relation(nord).offer, "type": "Offer"},
    }
    assert nord.post(aubier, nord.write(rejected)).status == 403
    withdrawn = {
        "type": "Undo",
        "to": [aubier.iri],
        "object": {"id": aubier.relation(nord).offer, "type": "Offer"},
    }
    assert nord.post(aubier, nord.write(withdrawn)).status == 403
    assert aubier.relation(nord).state is State.IN_FORCE


def test_refuses_to_agree_to_another_text_than_was_shown(aubier: Peer, nord: Peer) -> None:
    verified(aubier, nord)
    aubier.propose(nord)
    with pytest.raises(NotTheStep):
        nord.relations.agree(nord.partner(aubier).key, digest({}), MARIE)
    assert nord.partner(aubier).state == "offered"


def test_refuses_to_agree_when_the_answer_could_come_too_late(
    aubier: Peer, nord: Peer, clock: SetClock
) -> None:
    verified(aubier, nord)
    aubier.propose(nord)
    clock.move(days=6, hours=23, minutes=55)
    with pytest.raises(NotTheStep):
        nord.agree(aubier)


def test_refuses_what_is_no_step_of_the_handshake(aubier: Peer, nord: Peer) -> None:
    verified(aubier, nord)
    said = nord.write(
        {"type": "Create", "to": [aubier.iri], "object": {"id": f"{nord.origin}/o/1", "type": "Note"}}
    )
    assert nord.post(aubier, said).status == 403


def test_refuses_a_stranger(aubier: Peer, nord: Peer) -> None:
    said = nord.write(
        {"type": "Update", "to": [aubier.iri], "object": {"id": "http://x.localhost/1", "type": "Invite"}}
    )
    assert nord.post(aubier, said).status == 403


def test_groups_that_differ_confirm_nothing(aubier: Peer, nord: Peer) -> None:
    nord.accept(aubier.invite())
    key = nord.partner(aubier).key
    with pytest.raises(Invalid) as refused:
        nord.relations.confirm(key, {1: "00000", 2: nord.to_type(aubier)[2]}, "phone", MARIE)
    assert list(refused.value.members["errors"]) == ["group-1"]  # type: ignore[call-overload]
    with pytest.raises(Invalid):
        nord.relations.confirm(key, nord.to_type(aubier), "carrier pigeon", MARIE)
    assert nord.partner(aubier).ours is None
    assert aubier.partner(nord).theirs is None
    assert any(line.startswith("relation.mistyped") for line in nord.audited())


def test_digits_that_differ_end_the_relation(aubier: Peer, nord: Peer) -> None:
    nord.accept(aubier.invite())
    nord.relations.differs(nord.partner(aubier).key, MARIE)
    assert nord.partner(aubier).state == "rejected"
    aubier.relations.confirm(aubier.partner(nord).key, aubier.to_type(nord), "phone", MARIE)
    assert aubier.partner(nord).state == "keys-exchanged"
    assert "403" in aubier.partner(nord).note


def test_a_node_with_another_key_than_the_link_is_not_answered(aubier: Peer, nord: Peer, net: Net) -> None:
    link = aubier.invite()
    other = SigningKey.generate(f"{aubier.iri}#ed25519").public
    forged = f"{link.partition('&k=')[0]}&k={fingerprint(other.raw)}"
    with pytest.raises(Invalid):
        nord.accept(forged)
    assert net.heard == []
    assert any(line.startswith("invite.other-key") for line in nord.audited())


@pytest.mark.parametrize(
    "link", ["", "hello", "http://aubier.localhost:8101/peering/invite", "http://x#v=1&i=a&t=&k=b"]
)
def test_refuses_what_is_no_link(nord: Peer, link: str) -> None:
    with pytest.raises(Invalid):
        nord.accept(link)


def test_refuses_ones_own_link(aubier: Peer) -> None:
    with pytest.raises(Invalid):
        aubier.accept(aubier.invite())


def test_a_node_that_does_not_answer_is_tried_again_by_the_person(aubier: Peer, nord: Peer, net: Net) -> None:
    link = aubier.invite()
    net.down.add(aubier.origin)
    with pytest.raises(Unavailable):
        nord.accept(link)
    assert no_relation(nord)


def test_a_host_that_looks_like_a_partner_is_told(aubier: Peer, nord: Peer, make_peer: MakePeer) -> None:
    peered(aubier, nord)
    with pytest.raises(LooksAlike):
        aubier.invite(host="nord-acler.localhost")
    assert aubier.invite(host="nord-acler.localhost", is_another=True)
    impostor = make_peer("n0rd-acier")
    with pytest.raises(Changed):
        aubier.accept(impostor.invite())
    assert any(line.startswith("invite.alike") for line in aubier.audited())


def test_a_published_key_is_not_met_in_production(aubier: Peer) -> None:
    from federation.errors import Forbidden
    from federation.keys import PublicKey
    from node.relations.ports import Handshakes

    key = PublicKey.from_multibase(
        "https://x.example/actor#ed25519", "z6MktahAQ2qzeqesjLJ73C1NLsXjgc2MsoAvC3YkGhUsdRge"
    )
    ground = aubier.ground
    production = type(ground.settings)
    with ground.database.writing() as session:
        handshakes = Handshakes(session, ground)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(production, "is_development", property(lambda _: False))
            with pytest.raises(Forbidden):
                handshakes.introduce("https://x.example/actor", key, "")
