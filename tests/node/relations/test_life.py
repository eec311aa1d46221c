"""The life of an agreement between two nodes: versions, suspension, notice, end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from federation.activity import Document
from federation.delivery import Delivered, Refused, Retry
from federation.digest import digest
from federation.ports import Conflict, State
from node.core.clock import SetClock, rfc3339
from node.core.errors import Invalid
from node.exchange import service as exchange
from node.exchange.ports import Disputed
from node.relations import records
from node.relations.jobs import send_due, watch
from node.relations.services.desk import NotTheStep
from node.relations.services.partners import Partner
from tests.node.relations.peers import MARIE, Net, Peer, peered, rows_of

WHY = "Incident IR-7"


@pytest.fixture
def two(aubier: Peer, nord: Peer) -> tuple[Peer, Peer]:
    peered(aubier, nord)
    return aubier, nord


def key(node: Peer, other: Peer) -> str:
    return node.partner(other).key


def suspend(node: Peer, other: Peer, why: str = WHY) -> Partner:
    return node.relations.suspend(key(node, other), why, "en", MARIE)


def resume(node: Peer, other: Peer) -> Partner:
    return node.relations.resume(key(node, other), MARIE)


def end(node: Peer, other: Peer, days: int | None, why: str = "", disposition: str = "purge-now") -> Partner:
    on = None if days is None else (node.clock.now() + timedelta(days=days)).date()
    return node.relations.end(
        key(node, other), on=on, disposition=disposition, reason=why, language="fr", by=MARIE
    )


def renewed(node: Peer, other: Peer, **choices: Any) -> Document:
    """The next version, proposed by `node` and agreed to by `other`."""
    node.propose(other, **choices)
    other.agree(node)
    agreement = node.relation(other).agreement
    assert agreement is not None
    return agreement


# -- versions


def test_the_present_version_holds_until_both_have_agreed_to_the_next(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    first = aubier.relation(nord)
    aubier.propose(nord, onward="none", purpose="Second bridge")
    for here, there in (two, two[::-1]):
        seen = here.relation(there)
        assert (seen.state, seen.agreement_digest) == (State.IN_FORCE, first.agreement_digest)
        assert here.partner(there).offer is not None
        assert isinstance(here.deliver(there), Delivered)
    nord.agree(aubier)
    for here, there in (two, two[::-1]):
        seen = here.relation(there)
        assert seen.agreement is not None
        assert (seen.agreement["version"], seen.agreement["previousVersion"]) == (2, first.agreement_digest)
        assert (seen.agreement["lineage"], seen.genesis) == (
            (first.agreement or {})["lineage"],
            first.agreement_digest,
        )
        assert (seen.stream_in, seen.proposal) == (
            first.stream_in if here is aubier else first.stream_out,
            None,
        )
        assert isinstance(here.deliver(there), Delivered)
        assert [each.terms.version for each in here.relations.partner(key(here, there)).versions] == [2, 1]


def test_the_other_side_proposes_the_version_after_that(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    renewed(aubier, nord)
    third = renewed(nord, aubier, purpose="Third")
    assert third["version"] == 3
    assert aubier.relation(nord).agreement_digest == nord.relation(aubier).agreement_digest == digest(third)


def test_a_counter_offer_takes_the_place_of_the_next_version(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    aubier.propose(nord, purpose="one")
    nord.propose(aubier, purpose="other")
    offer = aubier.partner(nord).offer
    assert offer is not None
    assert (offer.by_us, offer.terms.purpose, offer.terms.version) == (False, "other", 2)
    aubier.agree(nord)
    assert nord.relation(aubier).agreement == aubier.relation(nord).agreement


def test_of_two_next_versions_offered_at_once_the_lower_digest_stays(
    two: tuple[Peer, Peer], net: Net, clock: SetClock
) -> None:
    aubier, nord = two
    net.down |= {aubier.origin, nord.origin}
    aubier.propose(nord, purpose="one")
    nord.propose(aubier, purpose="other")
    lower = min(each.relation(other).proposal.digest for each, other in (two, two[::-1]))  # type: ignore[union-attr]
    net.down.clear()
    clock.move(seconds=30)
    send_due.run(aubier.ground)
    send_due.run(nord.ground)
    for here, there in (two, two[::-1]):
        proposal = here.relation(there).proposal
        assert proposal is not None
        assert proposal.digest == lower
    assert aubier.relation(nord).state is nord.relation(aubier).state is State.IN_FORCE


def test_no_and_back_leave_the_present_version(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    for node, other, end_it in (
        (nord, aubier, nord.relations.decline),
        (aubier, nord, aubier.relations.withdraw),
    ):
        aubier.propose(nord, purpose="no")
        end_it(key(node, other), MARIE)
        for here, there in (two, two[::-1]):
            assert (here.relation(there).proposal, here.relation(there).state) == (None, State.IN_FORCE)


def test_an_accept_whose_answer_was_lost_is_sent_again(
    two: tuple[Peer, Peer], net: Net, clock: SetClock
) -> None:
    aubier, nord = two
    aubier.propose(nord, purpose="lost")
    net.mute.add(aubier.origin)
    nord.agree(aubier)
    net.mute.clear()
    waiting = nord.partner(aubier).offer
    assert waiting is not None
    assert waiting.accepted
    assert aubier.relation(nord).agreement_digest != nord.relation(aubier).agreement_digest
    assert isinstance(nord.deliver(aubier), Retry)  # the versions differ for as long as the answer is missing
    clock.move(seconds=30)
    send_due.run(nord.ground)
    assert aubier.relation(nord).agreement == nord.relation(aubier).agreement
    assert isinstance(nord.deliver(aubier), Delivered)


def test_an_accept_that_comes_after_the_offer_has_ended_changes_nothing(
    two: tuple[Peer, Peer], net: Net, clock: SetClock
) -> None:
    aubier, nord = two
    aubier.propose(nord, purpose="late")
    net.down.add(aubier.origin)
    nord.agree(aubier)
    net.down.clear()
    clock.move(days=8)
    send_due.run(nord.ground)
    for here, there in (two, two[::-1]):
        watch.run(here.ground)
        seen = here.relation(there)
        assert (seen.proposal, (seen.agreement or {})["version"]) == (None, 1)


def test_who_decided_is_kept_with_the_version(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    offer = aubier.propose(nord, purpose="approved").offer
    assert offer is not None
    nord.relations.agree(key(nord, aubier), offer.terms.digest, MARIE, ["Head of purchasing"])
    for here, there in (two, two[::-1]):
        newest = here.relations.partner(key(here, there)).versions[0]
        assert list(newest.approvers) == ["Head of purchasing"]


# -- suspension


def test_a_suspension_stops_both_directions_at_once(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    suspend(nord, aubier)
    for here, there, by_us in ((nord, aubier, True), (aubier, nord, False)):
        seen = here.partner(there)
        assert (seen.state, [(each.by_us, each.why, each.language) for each in seen.stops]) == (
            "suspended",
            [(by_us, WHY, "en")],
        )
        assert here.relation(there).state is State.SUSPENDED
        assert isinstance(here.deliver(there), Refused)


def test_it_holds_here_though_the_partner_is_away(two: tuple[Peer, Peer], net: Net, clock: SetClock) -> None:
    aubier, nord = two
    net.down.add(aubier.origin)
    suspend(nord, aubier)
    net.down.clear()
    assert nord.relation(aubier).state is State.SUSPENDED
    assert isinstance(aubier.deliver(nord), Refused)
    clock.move(seconds=30)
    send_due.run(nord.ground)
    assert aubier.relation(nord).state is State.SUSPENDED


def test_who_suspended_resumes(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    suspend(nord, aubier)
    with pytest.raises(NotTheStep):
        resume(aubier, nord)
    resume(nord, aubier)
    for here, there in (two, two[::-1]):
        assert here.partner(there).state == "in-force"
        assert isinstance(here.deliver(there), Delivered)


def test_what_both_have_suspended_both_resume(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    suspend(nord, aubier)
    suspend(aubier, nord, "We too")
    resume(nord, aubier)
    assert aubier.relation(nord).state is nord.relation(aubier).state is State.SUSPENDED
    resume(aubier, nord)
    assert aubier.relation(nord).state is nord.relation(aubier).state is State.IN_FORCE


def test_the_next_version_is_agreed_on_while_suspended_and_ends_no_suspension(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    suspend(nord, aubier)
    renewed(aubier, nord, purpose="mended")
    assert aubier.relation(nord).state is nord.relation(aubier).state is State.SUSPENDED
    resume(nord, aubier)
    assert isinstance(aubier.deliver(nord), Delivered)


def test_every_process_knows_of_it_within_five_seconds() -> None:
    assert records.KEPT_S <= 5


# -- notice and end


def test_notice_names_a_day_and_until_then_all_goes_on(two: tuple[Peer, Peer], clock: SetClock) -> None:
    aubier, nord = two
    ended: list[records.RelationEnded] = []
    aubier.ground.events.subscribe(records.RelationEnded, lambda event, _session: ended.append(event))
    end(nord, aubier, 31)
    for here, there, by_us in ((nord, aubier, True), (aubier, nord, False)):
        seen = here.partner(there)
        assert seen.state == "terminating"
        assert seen.ending is not None
        assert (seen.ending.by_us, seen.ending.disposition) == (by_us, "purge-now")
        assert isinstance(here.deliver(there), Delivered)
    clock.move(days=33)
    assert isinstance(nord.deliver(aubier), Refused)  # each by its own clock, before any job ran
    for here, there in (two, two[::-1]):
        watch.run(here.ground)
        assert here.partner(there).state == "terminated"
        assert here.relations.partner(key(here, there)).versions[0].replaced_at is not None
    assert [(each.node, each.disposition) for each in ended] == [(nord.iri, "purge-now")]


@pytest.mark.parametrize("who", ["host", "guest"])
def test_sooner_than_the_notice_it_ends_with_a_reason_alone(two: tuple[Peer, Peer], who: str) -> None:
    here, there = two if who == "host" else two[::-1]
    for days in (None, 3):
        with pytest.raises(Invalid):
            end(here, there, days)
    assert here.partner(there).state == "in-force"
    end(here, there, None, "Projet clos")
    for one, other in (two, two[::-1]):
        assert one.partner(other).state == "terminated"
    assert there.partner(here).ending is not None


def test_an_end_passes_while_suspended(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    suspend(aubier, nord)
    end(nord, aubier, None, "Enough")
    assert aubier.partner(nord).state == nord.partner(aubier).state == "terminated"


def test_after_an_end_the_two_can_meet_again(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    end(nord, aubier, None, "Enough")
    peered(aubier, nord)
    assert aubier.partner(nord).state == nord.partner(aubier).state == "in-force"


def test_no_version_follows_a_notice(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    end(nord, aubier, 40)
    for here, there in (two, two[::-1]):
        with pytest.raises(NotTheStep):
            here.propose(there)


def test_an_agreement_runs_out_and_is_renewed(two: tuple[Peer, Peer], clock: SetClock) -> None:
    aubier, nord = two
    clock.move(days=340)
    watch.run(aubier.ground)
    watch.run(aubier.ground)
    clock.move(days=20)
    watch.run(aubier.ground)
    soon = [line for line in aubier.audited() if line.startswith("relation.ends-soon")]
    assert len(soon) == 2
    assert (aubier.relations.turns(), aubier.partner(nord).our_turn, nord.relations.turns()) == (1, True, 0)
    clock.move(days=10)
    assert isinstance(aubier.deliver(nord), Refused)
    for here, there in (two, two[::-1]):
        watch.run(here.ground)
        assert here.partner(there).state == "expired"
        assert here.relations.turns() == 1
    renewed(aubier, nord)
    for here, there in (two, two[::-1]):
        assert here.partner(there).state == "in-force"
        assert isinstance(here.deliver(there), Delivered)


def test_an_agreement_that_nobody_renews_has_ended_after_thirty_days(
    two: tuple[Peer, Peer], clock: SetClock
) -> None:
    aubier, nord = two
    clock.move(days=367)
    watch.run(aubier.ground)
    clock.move(days=30)
    watch.run(aubier.ground)
    assert aubier.partner(nord).state == "terminated"


# -- refused at the door: nothing changes but the line on record


def standing(node: Peer, other: Peer, **changes: Any) -> Document:
    relation = node.relation(other)
    stated: Document = {
        "id": (relation.agreement or {})["id"],
        "type": ["Relationship", "PeeringAgreement"],
        "state": "suspended",
        "objectDigest": relation.agreement_digest,
        "resumeBy": node.iri,
        **changes,
    }
    return {"type": "Update", "to": [other.iri], "object": stated}


def notice(node: Peer, other: Peer, **changes: Any) -> Document:
    relation = node.relation(other)
    offered = {"id": relation.offer, "type": "Offer"}
    accepted = {"id": relation.accept, "type": "Accept", "actor": node.iri, "object": offered}
    return {
        "type": "Undo",
        "to": [other.iri],
        "object": offered if relation.offered_by_us else accepted,
        "objectDigest": relation.agreement_digest,
        "startTime": rfc3339(node.clock.now() + timedelta(days=31)),
        "disposition": "purge-now",
        **changes,
    }


def following(node: Peer, other: Peer, **changes: Any) -> Document:
    relation = node.relation(other)
    agreement = {
        **(relation.agreement or {}),
        "version": 2,
        "previousVersion": relation.agreement_digest,
        **changes,
    }
    return {
        "type": "Offer",
        "to": [other.iri],
        "endTime": rfc3339(node.clock.now() + timedelta(days=7)),
        "object": agreement,
        "objectDigest": digest(agreement),
    }


OTHER = "zQmPeKaWLs2Epq6iQVYzUes1tJJYBUmiWuuMAii5s6zQkDt"
REFUSED: dict[str, tuple[Any, int]] = {
    "a suspension under another digest": (lambda n, a: standing(n, a, objectDigest=OTHER), 409),
    "a suspension without a digest": (lambda n, a: standing(n, a, objectDigest=None), 409),
    "a suspension that another resumes": (lambda n, a: standing(n, a, resumeBy=a.iri), 403),
    "a state that is none": (lambda n, a: standing(n, a, state="terminated"), 422),
    "a reason that is none": (lambda n, a: standing(n, a, summary=7), 422),
    "a reason without end": (lambda n, a: standing(n, a, summary="x" * 501), 422),
    "a resumption of nothing": (lambda n, a: standing(n, a, state="in-force"), 403),
    "an end before its notice": (lambda n, a: notice(n, a, startTime=rfc3339(n.clock.now())), 403),
    "an end whose notice is dated back": (
        lambda n, a: (
            notice(n, a, startTime=rfc3339(n.clock.now() + timedelta(days=26)))
            | {"published": "2020-01-01T00:00:00Z"}
        ),
        403,
    ),
    "an end under another digest": (lambda n, a: notice(n, a, objectDigest=OTHER), 409),
    "an end of the other side's word": (
        lambda n, a: notice(n, a, object={"id": n.relation(a).offer, "type": "Offer"}),
        403,
    ),
    "an end of nothing": (
        lambda n, a: notice(n, a, object={"id": f"{n.origin}/a/x", "type": "Offer"}),
        403,
    ),
    "an end without disposition": (lambda n, a: notice(n, a, disposition="keep"), 422),
    "an end without a day": (lambda n, a: notice(n, a, startTime="tomorrow"), 422),
    "a version that skips": (lambda n, a: following(n, a, version=3), 403),
    "a version that goes back": (lambda n, a: following(n, a, version=1), 403),
    "a version after another one": (lambda n, a: following(n, a, previousVersion=OTHER), 403),
    "a version of another lineage": (lambda n, a: following(n, a, lineage=f"{n.origin}/l"), 403),
    "a version with other streams": (
        lambda n, a: following(
            n,
            a,
            parties=[
                {**side, "stream": side["stream"] + "x" * (side["node"] == n.iri)}
                for side in (n.relation(a).agreement or {})["parties"]
            ],
        ),
        403,
    ),
}


@pytest.mark.parametrize("kind", ["a suspension", "an end", "a version", ""])
def test_refuses_at_the_door(two: tuple[Peer, Peer], kind: str) -> None:
    aubier, nord = two
    kinds = ("a suspension", "an end", "a version")
    cases = {
        case: says
        for case, says in REFUSED.items()
        if (case.startswith(kind) if kind else not case.startswith(kinds))
    }
    before, answered = rows_of(aubier), {}
    for case, (says, _status) in cases.items():
        answer = nord.post(aubier, nord.write(says(nord, aubier)))
        answered[case] = (answer.status, rows_of(aubier) == before)
        assert aubier.audited()[-1].startswith("exchange.refused"), case
    assert answered == {case: (status, True) for case, (_says, status) in cases.items()}


def test_refuses_a_resumption_by_the_other_side(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    suspend(aubier, nord)
    before = rows_of(aubier)
    answer = nord.post(aubier, nord.write(standing(nord, aubier, state="in-force")))
    assert (answer.status, rows_of(aubier)) == (403, before)


def test_refuses_it_from_anybody_but_the_node(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    person, before = nord.person("Sven Lind"), rows_of(aubier)
    for make in (standing, notice):
        document = {**make(nord, aubier), "actor": person.actor}
        answer = nord.post(aubier, nord.write(document, actor=person.actor))
        assert (answer.status, rows_of(aubier)) == (422, before)  # nobody introduced that person


def test_the_same_again_changes_nothing(two: tuple[Peer, Peer], net: Net) -> None:
    aubier, nord = two
    suspend(nord, aubier)
    _, said, _ = net.heard[-1]
    before = rows_of(aubier)
    assert nord.post(aubier, said.body).status == 202
    assert rows_of(aubier) == before


def test_a_partner_that_signed_two_histories_is_suspended_by_itself(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    found = Disputed(
        aubier.relation(nord).id, nord.iri, aubier.relation(nord).stream_in, Conflict.EQUIVOCATION
    )
    for _ in range(2):
        with exchange.open_work(aubier.ground) as work:
            aubier.ground.events.publish(found, work.session)
    aubier.settle_jobs()
    for here, there, by_us in ((aubier, nord, True), (nord, aubier, False)):
        assert [(each.by_us, each.language) for each in here.partner(there).stops] == [(by_us, "en")]
