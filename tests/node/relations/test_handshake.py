"""The handshake of two nodes, from the link to an agreement in force."""

from __future__ import annotations

import pytest

from federation.delivery import Delivered
from federation.ports import State
from node.core.clock import SetClock
from node.core.errors import Invalid
from node.exchange.service import open_reading
from node.relations.jobs import send_due
from node.relations.records import _Directory
from node.relations.services.words import LISTS, words
from tests.node.relations.conftest import MakePeer
from tests.node.relations.peers import MARIE, Net, Peer, peered, verified


def test_whose_turn_it_is_shows_on_every_page(aubier: Peer, nord: Peer) -> None:
    def turns() -> tuple[int, int]:
        for each in (aubier, nord):
            assert each.relations.turns() == sum(partner.our_turn for partner in each.relations.everybody())
        return aubier.relations.turns(), nord.relations.turns()

    nord.accept(aubier.invite())
    assert turns() == (1, 1)
    nord.confirm(aubier)
    assert turns() == (1, 0)
    aubier.confirm(nord)
    assert turns() == (1, 1)
    aubier.propose(nord)
    assert turns() == (0, 1)
    nord.agree(aubier)
    assert turns() == (0, 0)


def test_two_nodes_peer(aubier: Peer, nord: Peer, net: Net) -> None:
    peered(aubier, nord)
    here, there = aubier.relation(nord), nord.relation(aubier)
    assert here.state is there.state is State.IN_FORCE
    assert here.agreement_digest == there.agreement_digest
    assert (here.stream_in, here.stream_out) == (there.stream_out, there.stream_in)
    assert [each.status for _, _, each in net.heard] == [202, 202, 202, 202, 200, 200]  # the last is a hello


def test_the_inviting_side_learns_the_name_of_the_other(aubier: Peer, nord: Peer) -> None:
    nord.accept(aubier.invite())
    assert aubier.partner(nord).name == "nord-acier.localhost:8101"
    aubier.settle_jobs()
    assert aubier.partner(nord).name == "Nord Acier"
    assert nord.partner(aubier).name == "Aubier"


def test_verified_partners_have_a_colour_and_not_before(aubier: Peer, nord: Peer) -> None:
    nord.accept(aubier.invite())
    assert aubier.partner(nord).hue is None
    nord.confirm(aubier)
    aubier.confirm(nord)
    assert aubier.partner(nord).hue == nord.partner(aubier).hue == 1


def test_the_words_are_the_same_on_both_sides_and_covered_before(aubier: Peer, nord: Peer) -> None:
    nord.accept(aubier.invite())
    assert nord.partner(aubier).uncovered == ()
    covered = {each.number for each in nord.partner(aubier).groups if not each.digits}
    assert covered == {1, 2}
    assert {each.number for each in aubier.partner(nord).groups if not each.digits} == {3, 4}
    nord.confirm(aubier)
    aubier.confirm(nord)
    one, other = aubier.partner(nord).uncovered, nord.partner(aubier).uncovered
    assert len(one) == 6
    for language in ("en", "fr"):
        assert words(one, language) == words(other, language)
        assert len(set(LISTS[language])) == 256


def test_a_message_that_a_dead_node_did_not_take_goes_later(
    aubier: Peer, nord: Peer, net: Net, clock: SetClock
) -> None:
    link = aubier.invite()
    nord.accept(link)
    net.down.add(aubier.origin)
    nord.confirm(aubier)
    assert "takes no connection" in nord.partner(aubier).waits
    assert aubier.partner(nord).theirs is None
    net.down.clear()
    clock.move(seconds=30)
    send_due.run(nord.ground)
    assert nord.partner(aubier).waits == ""
    assert aubier.partner(nord).theirs is not None


def test_a_lost_answer_to_the_acceptance_changes_nothing(aubier: Peer, nord: Peer, net: Net) -> None:
    nord.accept(aubier.invite())
    _, first, _ = net.heard[0]
    assert nord.post(aubier, first.body).status == 202
    assert aubier.partner(nord).state == "keys-exchanged"


def test_an_offer_is_declined_and_another_one_made(aubier: Peer, nord: Peer) -> None:
    verified(aubier, nord)
    aubier.propose(nord, purpose="Footbridge")
    offer = nord.partner(aubier).offer
    assert offer is not None
    assert (offer.terms.purpose, offer.terms.keep_theirs, offer.by_us) == ("Footbridge", "P2Y", False)
    nord.relations.decline(nord.partner(aubier).key, MARIE)
    assert aubier.partner(nord).state == nord.partner(aubier).state == "verified"
    nord.propose(aubier, purpose="Another")
    aubier.agree(nord)
    assert isinstance(aubier.deliver(nord), Delivered)
    assert nord.relation(aubier).state is State.IN_FORCE


def test_a_counter_offer_takes_the_place_of_the_offer(aubier: Peer, nord: Peer) -> None:
    verified(aubier, nord)
    aubier.propose(nord)
    nord.propose(aubier, purpose="Only the bridge")
    offer = aubier.partner(nord).offer
    assert offer is not None
    assert (offer.by_us, offer.terms.purpose) == (False, "Only the bridge")
    aubier.agree(nord)
    assert isinstance(aubier.deliver(nord), Delivered)


def test_of_two_offers_made_at_once_one_stays(aubier: Peer, nord: Peer, net: Net, clock: SetClock) -> None:
    verified(aubier, nord)
    net.down |= {aubier.origin, nord.origin}
    aubier.propose(nord, purpose="one")
    nord.propose(aubier, purpose="other")
    net.down.clear()
    clock.move(seconds=30)
    send_due.run(aubier.ground)
    send_due.run(nord.ground)
    here, there = aubier.partner(nord).offer, nord.partner(aubier).offer
    assert here is not None
    assert there is not None
    assert here.terms.digest == there.terms.digest
    assert here.by_us != there.by_us


def test_a_withdrawn_offer_cannot_be_accepted(aubier: Peer, nord: Peer) -> None:
    verified(aubier, nord)
    aubier.propose(nord)
    aubier.relations.withdraw(aubier.partner(nord).key, MARIE)
    assert aubier.partner(nord).state == nord.partner(aubier).state == "verified"


def test_a_withdrawal_that_crosses_the_accept_loses(aubier: Peer, nord: Peer) -> None:
    verified(aubier, nord)
    aubier.propose(nord)
    nord.agree(aubier)
    aubier.relations.withdraw(aubier.partner(nord).key, MARIE)
    assert aubier.partner(nord).state == "offered"
    assert isinstance(nord.deliver(aubier), Delivered)
    assert aubier.relation(nord).state is State.IN_FORCE


def test_an_accept_that_comes_too_late_leads_back(aubier: Peer, nord: Peer, clock: SetClock) -> None:
    verified(aubier, nord)
    aubier.propose(nord)
    nord.agree(aubier)
    clock.move(days=8)
    nord.deliver(aubier)
    assert nord.partner(aubier).state == "verified"
    aubier.propose(nord)
    nord.agree(aubier)
    assert isinstance(nord.deliver(aubier), Delivered)
    assert aubier.relation(nord).state is State.IN_FORCE


def test_the_accept_is_the_first_entry_of_the_stream(aubier: Peer, nord: Peer) -> None:
    peered(aubier, nord)
    relation = nord.relation(aubier)
    with open_reading(nord.ground) as work:
        entry = work.log.entry(relation, 1)
    assert entry is not None
    assert (entry.type, entry.prev) == ("Accept", relation.agreement_digest)


def test_a_relation_in_force_wakes_the_lanes(aubier: Peer, nord: Peer) -> None:
    verified(aubier, nord)
    aubier.propose(nord)
    before = nord.ground.wake.token()
    nord.agree(aubier)
    assert nord.ground.wake.wait("lanes", timeout=0, since=before) is not None
    with open_reading(nord.ground) as work:
        assert [each.node for each in work.peers.in_force()] == [aubier.iri]  # type: ignore[attr-defined]


def test_everything_an_administrator_does_is_on_record(aubier: Peer, nord: Peer) -> None:
    peered(aubier, nord)
    acts = [line.partition(" ")[0] for line in nord.audited()]
    assert [act for act in acts if act.startswith(("relation", "invite", "charter"))] == [
        "relation.introduced",
        "invite.accepted",
        "relation.confirmed",
        "relation.confirmed-there",
        "relation.offered",
        "relation.in-force",
        "charter.agreed",
    ]
    assert [
        act for act in (line.partition(" ")[0] for line in aubier.audited()) if act.startswith("charter")
    ] == ["charter.proposed"]


def test_other_processes_notice_within_a_wake_up(aubier: Peer, nord: Peer) -> None:
    verified(aubier, nord)
    other = _Directory(nord.ground)
    assert other.known().in_force == ()
    aubier.propose(nord)
    nord.agree(aubier)
    assert [each.node for each in other.known().in_force] == [aubier.iri]


@pytest.mark.postgresql
def test_two_nodes_peer_on_postgresql(make_peer: MakePeer, postgresql_url: str, nord: Peer) -> None:
    aubier = make_peer("aubier", database_url=postgresql_url)
    nord.accept(aubier.invite())
    aubier.settle_jobs()
    nord.confirm(aubier)
    aubier.confirm(nord)
    aubier.propose(nord)
    aubier.relations.withdraw(aubier.partner(nord).key, MARIE)
    nord.propose(aubier)
    aubier.agree(nord)
    assert isinstance(aubier.deliver(nord), Delivered)
    assert aubier.relation(nord).state is nord.relation(aubier).state is State.IN_FORCE
    link = aubier.invite()
    with pytest.raises(Invalid):
        nord.accept(link)
    assert aubier.relations.forget_tokens() == 0
