"""The handshake: what two admins do, and what a third would like to do (PROTOCOL 2.a)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from federation import documents, handshake, offers, signatures
from federation.activity import Activity, Document
from federation.authorship import write
from federation.digest import digest
from federation.errors import DigestMismatch, Forbidden, Malformed, OutOfScope, RemoteError, ReplayedMessage
from federation.exchange import append
from federation.http import Headers, Request
from federation.keys import SigningKey
from federation.ports import Proposal, State
from tests.federation.world import Clock, Node, peer


@pytest.fixture
def two() -> tuple[Node, Node]:
    clock = Clock()
    return Node("north", clock), Node("south", clock)


def _proposal(node: Node, other: Node) -> Proposal:
    proposal = node.relation(other).proposal
    assert proposal is not None
    return proposal


def _problem(node: Node) -> dict[str, object]:
    return next(
        facts for event, facts in reversed(node.store.rows.notes) if event == "exchange.line-rejected"
    )


def _acceptance(guest: Node, host: Node, link: str, **binding: Any) -> tuple[Document, handshake.InviteLink]:
    read = handshake.read_link(link)
    return handshake.acceptance(read, host.iri, guest.key.public, guest.settings), read


def _send(guest: Node, host: Node, document: Document) -> int:
    with guest.work() as work:
        said = write(document, guest.iri, work, guest.settings)
    return guest.inbox(said, host).status


def test_an_invite_link_says_who_invites_and_hides_the_token_in_the_fragment(two: tuple[Node, Node]) -> None:
    north, _ = two
    invite, link = north.invite()
    read = handshake.read_link(f" {link}\n")
    assert (read.origin, read.invite, read.token) == (north.settings.origin, invite.id, invite.token)
    assert "#v=1&i=" in link
    assert link.index("#") < link.index("&t=")


@pytest.mark.parametrize(
    "link",
    [
        "https://north.example/peering/invite",
        "https://north.example/peering/invite#v=2&i=1&t=AAAA&k=BBBB",
        "https://north.example/peering/invite#v=1&i=1&t=AAAA&k=BBBB",
        "https://north.example/peering/invite#v=1&i=1&t=%C3%A9&k=BBBB",
        "nonsense",
    ],
)
def test_refuses_a_damaged_link_with_a_sentence(link: str) -> None:
    with pytest.raises(Malformed):
        handshake.read_link(link)


def test_both_sides_compute_the_same_groups_and_a_third_key_others(two: tuple[Node, Node]) -> None:
    north, south = two
    east = SigningKey.generate("https://east.example/actor#ed25519")
    ours = handshake.groups("https://north.example/i/1", north.key.public, south.key.public)
    assert ours == handshake.groups("https://north.example/i/1", south.key.public, north.key.public)
    assert len(ours) == 6
    assert all(len(group) == 5 and group.isdecimal() for group in ours)
    assert ours != handshake.groups("https://north.example/i/1", east.public, south.key.public)


def test_an_acceptance_exchanges_keys_and_uses_the_invitation_up(two: tuple[Node, Node]) -> None:
    north, south = two
    invite, link = north.invite()
    assert south.accept_invite(link, north).status == 202
    assert north.relation(south).state is State.KEYS_EXCHANGED
    assert north.relation(south).keys == (south.key.public,)
    assert north.store.rows.invites[invite.id].used
    assert north.store.rows.invites[invite.id].token == b""


def test_the_same_acceptance_again_is_answered_alike(two: tuple[Node, Node]) -> None:
    north, south = two
    _, link = north.invite()
    document, _ = _acceptance(south, north, link)
    with south.work() as work:
        said = write(document, south.iri, work, south.settings)
    assert [south.inbox(said, north).status for _ in range(2)] == [202, 202]


def test_refuses_a_second_acceptance_of_one_invitation(two: tuple[Node, Node]) -> None:
    north, south = two
    east = Node("east", south.clock)
    _, link = north.invite()
    assert south.accept_invite(link, north).status == 202
    assert east.accept_invite(link, north).status == 409
    assert east.iri not in north.store.rows.relations


def test_refuses_an_unknown_or_expired_invitation(two: tuple[Node, Node]) -> None:
    north, south = two
    invite, link = north.invite()
    south.clock.advance(73 * 3600)
    assert south.accept_invite(link, north).status == 400
    assert (
        _send(south, north, _acceptance(south, north, link.replace(invite.id.rpartition("/")[2], "none"))[0])
        == 400
    )


def test_refuses_a_wrong_token_and_burns_the_invitation_after_five(two: tuple[Node, Node]) -> None:
    north, south = two
    invite, link = north.invite()
    document, _ = _acceptance(south, north, link)
    wrong = {**document, "inviteBinding": {**document["inviteBinding"], "mac": "AAAA"}}
    assert [_send(south, north, wrong) for _ in range(6)] == [403] * 5 + [429]
    assert _send(south, north, document) == 429
    assert north.store.rows.invites[invite.id].failures == 5
    assert not north.store.rows.relations


@pytest.mark.parametrize(
    "change",
    [
        {"to": "https://east.example/actor"},
        {"from": "https://east.example/actor"},
        {"key": "z6MksJULaopXiBJvxuT4km1yycsb4icQLG6qQjg4M9m5LxJi"},
    ],
)
def test_refuses_a_binding_of_another_even_with_its_mac(
    two: tuple[Node, Node], change: dict[str, str]
) -> None:
    north, south = two
    _, link = north.invite()
    document, read = _acceptance(south, north, link)
    binding = {**document["inviteBinding"], **change}
    binding["mac"] = handshake.mac(read.token, binding)
    assert _send(south, north, {**document, "inviteBinding": binding}) == 403
    assert not north.store.rows.relations


def test_refuses_a_binding_that_is_none(two: tuple[Node, Node]) -> None:
    north, south = two
    _, link = north.invite()
    document, _ = _acceptance(south, north, link)
    assert _send(south, north, {**document, "inviteBinding": "x"}) == 422


def test_refuses_another_domain_than_the_expected_one(two: tuple[Node, Node]) -> None:
    north, south = two
    invite, link = north.invite()
    north.store.rows.invites[invite.id] = replace(invite, expected_host="east.example")
    assert south.accept_invite(link, north).status == 403


def test_no_offer_before_both_have_confirmed(two: tuple[Node, Node]) -> None:
    north, south = two
    _, link = north.invite()
    south.accept_invite(link, north)
    with pytest.raises(Forbidden):
        north.offer(south)
    south.confirm(north)
    with pytest.raises(Forbidden):
        north.offer(south)
    relation = north.relation(south)
    cheating = replace(relation, state=State.VERIFIED, confirmed_here=True)
    north.store.rows.relations[south.iri] = cheating
    assert north.offer(south).status == 403
    assert south.relation(north).proposal is None


def test_refuses_a_confirmation_of_another_invitation(two: tuple[Node, Node]) -> None:
    north, south = two
    _, link = north.invite()
    south.accept_invite(link, north)
    document = {
        "type": "Update",
        "object": {"id": f"{north.iri}/other", "type": "Invite", "state": "verified"},
    }
    assert _send(south, north, document) == 403
    assert not north.relation(south).confirmed_there


def _verified(two: tuple[Node, Node]) -> tuple[Node, Node]:
    north, south = two
    _, link = north.invite()
    south.accept_invite(link, north)
    south.confirm(north)
    north.confirm(south)
    assert north.relation(south).state is State.VERIFIED
    return two


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda offer: offer | {"objectDigest": "zQmPeKaWLs2Epq6iQVYzUes1tJJYBUmiWuuMAii5s6zQkDt"}, 422),
        (lambda offer: offer | {"endTime": None}, 422),
        (lambda offer: offer | {"endTime": "2026-01-01T00:00:00Z"}, 403),
    ],
)
def test_refuses_an_offer_that_does_not_hold(two: tuple[Node, Node], change: Any, status: int) -> None:
    north, south = _verified(two)
    with north.work() as work:
        ends = "2026-12-24T00:00:00Z"
        offered = offers.offer(north.relation(south), north.draft(south), ends, work, north.settings)
    document = {k: v for k, v in offered.document.items() if k not in {"proof", "id", "actor"}}
    assert _send(north, south, change(document)) == status
    assert south.relation(north).state is State.VERIFIED


def test_refuses_an_agreement_of_other_keys(two: tuple[Node, Node]) -> None:
    north, south = _verified(two)
    draft = north.draft(south)
    draft["parties"][0]["keys"] = [south.key.public.multibase]
    assert north.offer(south, draft).status == 403
    assert south.relation(north).state is State.VERIFIED


def test_refuses_an_agreement_of_other_parties(two: tuple[Node, Node]) -> None:
    north, south = _verified(two)
    draft = north.draft(south)
    draft["parties"] = [draft["parties"][0], draft["parties"][0]]
    with pytest.raises(OutOfScope):
        north.offer(south, draft)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"objectDigest": "zQmPeKaWLs2Epq6iQVYzUes1tJJYBUmiWuuMAii5s6zQkDt"}, DigestMismatch),
        ({"result": "https://north.example/peering/agreements/other"}, DigestMismatch),
        ({"object": {"id": "https://north.example/a/other", "type": "Offer"}}, OutOfScope),
    ],
)
def test_refuses_an_accept_of_something_else(
    two: tuple[Node, Node], change: Document, problem: type[RemoteError]
) -> None:
    north, south = _verified(two)
    north.offer(south)
    relation = south.relation(north)
    with south.work() as work:
        honest = offers.acceptance(relation, work, south.settings).document
        document = {k: v for k, v in honest.items() if k not in {"proof", "id", "actor"}} | change
        said = write(document, south.iri, work, south.settings)
        append(work.agreements.in_force(relation, said), said, work)
    south.deliver(north)
    assert north.relation(south).state is State.OFFERED
    assert _problem(north)["problem"] == problem("").type


def test_refuses_an_accept_after_the_offer_has_ended(two: tuple[Node, Node]) -> None:
    north, south = _verified(two)
    north.offer(south)
    north.clock.advance(8 * 86400)
    with south.work() as work:
        relation = south.relation(north)
        said = offers.acceptance(relation, work, south.settings)
        append(work.agreements.in_force(relation, said), said, work)
    south.deliver(north)
    assert north.relation(south).state is State.OFFERED


def test_nothing_else_passes_before_the_accept(two: tuple[Node, Node]) -> None:
    north, south = _verified(two)
    north.offer(south)
    with south.work() as work:
        accept = offers.acceptance(south.relation(north), work, south.settings)
        relation = work.agreements.in_force(south.relation(north), accept)
        said = write(
            {"type": "Create", "object": {"id": f"{south.iri}/r", "type": "DeliveryReceipt"}},
            south.iri,
            work,
            south.settings,
        )
        append(relation, said, work)
    south.deliver(north)
    assert str(_problem(north)["problem"]).endswith("#no-agreement")


def test_a_declined_offer_leads_back(two: tuple[Node, Node]) -> None:
    north, south = _verified(two)
    north.offer(south)
    offer = _proposal(north, south).offer
    assert _send(south, north, {"type": "Reject", "object": {"id": offer, "type": "Offer"}}) == 202
    assert north.relation(south).state is State.VERIFIED


def test_the_inbox_takes_no_post(two: tuple[Node, Node]) -> None:
    north, south = two
    peer(north, south)
    document = {"type": "Create", "object": {"id": f"{south.iri}/o", "type": "Note"}}
    assert _send(south, north, document) == 403
    deletes = {"type": "Delete", "object": {"id": f"{south.iri}/o", "type": "Note"}}
    assert _send(south, north, deletes) == 403


def test_the_inbox_takes_control_under_an_agreement_alone(two: tuple[Node, Node]) -> None:
    north, south = _verified(two)
    document = {"type": "Create", "object": {"id": f"{south.iri}/r", "type": "DeliveryReceipt"}}
    assert _send(south, north, document) == 403
    north.offer(south)
    south.agree(north)
    assert _send(south, north, document) == 422  # let in, and found to be about no stream
    north.store.rows.relations[south.iri] = replace(north.relation(south), state=State.SUSPENDED)
    assert _send(south, north, document) == 422


def test_an_accepted_single_is_receipted_by_the_signed_answer(two: tuple[Node, Node]) -> None:
    north, south = _verified(two)
    ends = f"{north.clock.now + timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}"
    with north.work() as work:
        said = offers.offer(north.relation(south), north.draft(south), ends, work, north.settings)
    request = signatures.sign_request(
        Request(
            "POST", f"{south.iri}/inbox", Headers((("Content-Type", "application/activity+json"),)), said.raw
        ),
        north.key,
        created=int(north.clock.now.timestamp()),
        nonce="AAAAAAAAAAAAAAAAAAAAAA",
    )
    response = south.federation.receive_single(request)
    assert response.status == 202
    signatures.verify_response(response, request, south.key.public, int(north.clock.now.timestamp()))


def test_a_log_is_read_back_as_it_was_pushed(two: tuple[Node, Node]) -> None:
    from federation import signatures
    from federation.http import Headers, Request

    north, south = two
    peer(north, south)
    stream = south.relation(north).stream_out
    unsigned = Request("GET", f"{stream}?from=1&to=9", Headers(()))
    signed = signatures.sign_request(
        unsigned, north.key, created=int(north.clock.now.timestamp()), nonce="abcdefghijklmnopqrstuv"
    )
    response = south.federation.read_log(signed, stream, 1, 9)
    assert response.status == 200
    signatures.verify_response(response, signed, south.key.public, int(north.clock.now.timestamp()))
    assert documents.loads(response.body.split(b"\n")[0])["entries"][0]["type"] == "Accept"
    assert south.federation.read_log(unsigned, stream, 1, 9).status == 404
    elsewhere = f"{south.settings.origin}/streams/other"
    assert south.federation.read_log(signed, elsewhere, 1, 9).status == 404


# -- crossing, taking back, and whoever is known already


def _drafted(two: tuple[Node, Node]) -> tuple[Document, Document]:
    """Two drafts, the one with the lower digest first."""
    north, south = two
    drafts = sorted((north.draft(south), south.draft(north)), key=digest)
    return drafts[0], drafts[1]


def _offer_here(node: Node, other: Node, agreement: Document) -> Activity:
    with node.work() as work:
        ends = "2026-12-01T08:00:00Z"
        return offers.offer(node.relation(other), agreement, ends, work, node.settings)


def test_of_two_offers_made_at_once_the_lower_digest_wins_on_both_sides(two: tuple[Node, Node]) -> None:
    north, south = _verified(two)
    lower, higher = _drafted(two)
    ours, theirs = _offer_here(north, south, lower), _offer_here(south, north, higher)
    assert south.inbox(theirs, north).status == 403
    assert north.inbox(ours, south).status == 202
    assert _proposal(north, south).digest == _proposal(south, north).digest == digest(lower)
    assert (_proposal(north, south).by_us, _proposal(south, north).by_us) == (True, False)


def test_an_answer_to_an_open_offer_takes_its_place_whatever_its_digest(two: tuple[Node, Node]) -> None:
    north, south = _verified(two)
    lower, higher = _drafted(two)
    assert north.offer(south, lower).status == 202
    assert south.offer(north, higher).status == 202
    assert _proposal(north, south).digest == digest(higher)
    assert not _proposal(north, south).by_us


def test_an_open_offer_of_ours_is_withdrawn_before_another(two: tuple[Node, Node]) -> None:
    north, south = _verified(two)
    north.offer(south)
    with pytest.raises(Forbidden):
        north.offer(south)
    with north.work() as work:
        said = offers.withdrawal(north.relation(south), work, north.settings)
    assert north.inbox(said, south).status == 202
    assert south.relation(north).state is State.VERIFIED


def test_refuses_to_take_back_what_is_not_open(two: tuple[Node, Node]) -> None:
    north, south = two
    peer(north, south)
    undone = {"id": north.relation(south).offer, "type": "Offer", "actor": north.iri}
    assert _send(north, south, {"type": "Undo", "object": undone}) == 403
    assert south.relation(north).state is State.IN_FORCE


def test_the_partner_says_no(two: tuple[Node, Node]) -> None:
    north, south = _verified(two)
    north.offer(south)
    with south.work() as work:
        said = offers.rejection(south.relation(north), work, south.settings)
    assert south.inbox(said, north).status == 202
    assert north.relation(south).state is State.VERIFIED


def test_refuses_to_end_an_agreement_by_rejecting_its_offer(two: tuple[Node, Node]) -> None:
    north, south = two
    peer(north, south)
    offer = north.relation(south).offer
    assert _send(south, north, {"type": "Reject", "object": {"id": offer, "type": "Offer"}}) == 403
    assert north.relation(south).state is State.IN_FORCE


def test_refuses_a_first_offer_while_an_agreement_is_in_force(two: tuple[Node, Node]) -> None:
    north, south = two
    peer(north, south)
    with south.work() as work:
        relation = replace(south.relation(north), state=State.VERIFIED, agreement=None)
        said = offers.offer(relation, south.draft(north), "2026-12-01T08:00:00Z", work, south.settings)
    assert south.inbox(said, north).status == 403
    assert north.relation(south).proposal is None


def test_refuses_an_agreement_that_is_none(two: tuple[Node, Node]) -> None:
    north, south = _verified(two)
    changes: list[Document] = [
        {"parties": {}},
        {"endTime": "2026-11-01T00:00:00Z"},
        {"subject": "https://west.example/actor"},
        {"version": True},
    ]
    for change in changes:
        draft = north.draft(south) | change
        said = {
            "type": "Offer",
            "object": draft,
            "objectDigest": digest(draft),
            "endTime": "2026-12-01T00:00:00Z",
        }
        assert _send(north, south, said) == 422
    assert south.relation(north).state is State.VERIFIED


@pytest.mark.parametrize("state", list(State))
def test_a_new_invitation_replaces_no_relation_that_came_to_trust(
    two: tuple[Node, Node], state: State
) -> None:
    """Whoever holds a token could else push a partner out (SECURITY C14)."""
    north, south = two
    peer(north, south)
    north.store.rows.relations[south.iri] = replace(north.relation(south), state=state)
    thief = Node("south", south.clock)
    _, link = north.invite()
    status = thief.accept_invite(link, north).status
    gives_way = state in {State.INVITED, State.KEYS_EXCHANGED, State.TERMINATED}
    assert status == (202 if gives_way else 403)
    assert (north.relation(south).keys == (south.key.public,)) is not gives_way


def test_a_node_does_not_peer_with_itself(two: tuple[Node, Node]) -> None:
    north, _ = two
    _, link = north.invite()
    double = Node("north", north.clock)
    assert double.accept_invite(link, north).status == 403
    assert not north.store.rows.relations


def test_refuses_a_mac_that_is_not_even_ascii(two: tuple[Node, Node]) -> None:
    north, south = two
    invite, link = north.invite()
    document, _ = _acceptance(south, north, link)
    binding = {**document["inviteBinding"], "mac": "é"}
    assert _send(south, north, {**document, "inviteBinding": binding}) == 403
    assert north.store.rows.invites[invite.id].failures == 1


def test_refuses_an_acceptance_whose_proof_or_request_is_by_another_key(two: tuple[Node, Node]) -> None:
    north, south = two
    _, link = north.invite()
    document, _ = _acceptance(south, north, link)
    other = SigningKey.generate(f"{south.iri}#other")
    with south.work() as work:
        work.store.signers[south.iri] = other
        by_other = write(document, south.iri, work, south.settings)
        work.store.signers[south.iri] = south.key
        said = write(document, south.iri, work, south.settings)
    assert south.inbox(by_other, north).status == 403
    south.key = other
    assert south.inbox(said, north).status == 403
    assert not north.store.rows.relations


def test_an_invitation_is_used_once_even_by_two_at_the_same_time(two: tuple[Node, Node]) -> None:
    north, south = two
    invite, link = north.invite()
    document, _ = _acceptance(south, north, link)
    with south.work() as work:
        said = write(document, south.iri, work, south.settings)
    with north.work() as work:
        introduced = handshake.introduced(None, said, work, north.settings)
        assert work.handshakes.use_invite(invite.id)
        with pytest.raises(ReplayedMessage):
            handshake.admit(introduced, work)


def test_a_second_key_of_a_partner_signs_as_well(two: tuple[Node, Node]) -> None:
    north, south = two
    peer(north, south)
    new = SigningKey.generate(f"{south.iri}#new")
    relation = north.relation(south)
    north.store.rows.relations[south.iri] = replace(relation, keys=(*relation.keys, new.public))
    south.key = south.store.signers[south.iri] = new
    assert north.federation.receive_batch(south.parcel(north, lines=0).request).status == 200
    south.key = south.store.signers[south.iri] = SigningKey.generate(f"{south.iri}#third")
    assert north.federation.receive_batch(south.parcel(north, lines=0).request).status == 401


def test_the_same_message_of_the_handshake_again_changes_nothing(two: tuple[Node, Node]) -> None:
    north, south = _verified(two)
    said = _offer_here(north, south, north.draft(south))
    assert [north.inbox(said, south).status for _ in range(2)] == [202, 202]
    other = replace(said, raw=said.raw.replace(b'"salt":"', b'"salt":"x'))
    assert north.inbox(other, south).status == 403
