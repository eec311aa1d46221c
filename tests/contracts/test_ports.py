"""What every host must answer about partners, the handshake, spaces, what people post, and the audit log.

Rule: a test begins with what a port or a use case can make; `made` holds what differs between a store in dictionaries
and one in tables.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from federation import charter, replica
from federation.activity import Document, new_id
from federation.digest import digest
from federation.errors import OutOfScope, ReplayedMessage, RosterOutdated
from federation.handshake import MAX_FAILURES
from federation.keys import SigningKey
from federation.ports import TOMBSTONE, Effect, FormerNode, Proposal, Relation, Role, Space, State, Stored
from tests.contracts import made
from tests.contracts.conftest import ORIGIN, PARTNER, Host, activity

NODE = f"{PARTNER}/actor"
KEY = SigningKey.generate(f"{NODE}#ed25519")


def _introduced(host: Host, invite: str = "") -> Relation:
    with host.open_work() as work:
        work.handshakes.introduce(NODE, KEY.public, invite)
    return _relation(host)


def _relation(host: Host) -> Relation:
    with host.open_work() as work:
        found: Relation = work.peers.of_node(NODE)
    return found


def _agreement(host: Host) -> Document:
    ours, theirs = (
        charter.Party(node, "A house", role, (), node, ("z6Mk",), stream, "")
        for node, role, stream in (
            (host.node, "host", f"{ORIGIN}/streams/south"),
            (NODE, "partner", f"{PARTNER}/streams/north"),
        )
    )
    return charter.draft(f"{PARTNER}/peering/agreements/1", ours, theirs, host.clock.now())


# -- peers and handshakes


def test_a_partner_is_found_by_origin_and_by_node_and_nobody_else_is(host: Host) -> None:
    with host.open_work() as work:
        assert work.peers.of_origin(PARTNER) is None
        assert work.peers.of_node(NODE) is None
        work.handshakes.introduce(NODE, KEY.public, f"{PARTNER}/peering/invites/1")
        assert work.peers.of_node(NODE).state is State.KEYS_EXCHANGED
    with host.open_work() as work:
        found = work.peers.of_origin(PARTNER)
        assert found == work.peers.of_node(NODE)
        assert [key.raw for key in found.keys] == [KEY.public.raw]
        assert (found.inbox, found.exchange) == (f"{NODE}/inbox", f"{PARTNER}/exchange")
        assert found.invite == f"{PARTNER}/peering/invites/1"
        assert (found.confirmed_here, found.confirmed_there) == (False, False)
        assert work.peers.of_origin(f"{PARTNER}1") is None
        assert work.peers.of_node(f"{PARTNER}/people/1") is None


def test_an_invitation_is_used_once_and_its_token_is_gone(host: Host) -> None:
    invite = made.invite(host)
    with host.open_work() as work:
        assert work.handshakes.invite(f"{invite}x") is None
        found = work.handshakes.invite(invite)
        assert (found.id, len(found.token), found.used, found.failures) == (invite, 32, False, 0)
        assert work.handshakes.use_invite(invite) is True
        assert work.handshakes.use_invite(invite) is False
    with host.open_work() as work:
        found = work.handshakes.invite(invite)
        assert (found.token, found.used) == (b"", True)


def test_wrong_tokens_are_counted(host: Host) -> None:
    invite = made.invite(host)
    for number in range(1, MAX_FAILURES + 1):
        with host.open_work() as work:
            work.handshakes.fail_invite(invite)
        with host.open_work() as work:
            assert work.handshakes.invite(invite).failures == number


def test_an_agreement_is_offered_and_comes_into_force(host: Host) -> None:
    relation = _introduced(host)
    with host.open_work() as work:
        work.handshakes.confirmed_there(relation)
    assert _relation(host).confirmed_there
    made.confirm_here(host, relation)
    assert _relation(host).state is State.VERIFIED
    agreement = _agreement(host)
    offer = activity(PARTNER, kind="Offer", actor=NODE, endTime="2026-12-01T08:00:00Z")
    with host.open_work() as work:
        work.agreements.offered(work.peers.of_node(NODE), offer, agreement, digest(agreement))
    offered = _relation(host)
    assert (offered.state, offered.agreement, offered.genesis) == (State.OFFERED, None, digest(agreement))
    assert offered.proposal == Proposal(
        offer.id, agreement, digest(agreement), "2026-12-01T08:00:00Z", by_us=False
    )
    assert (offered.stream_in, offered.stream_out) == (
        f"{PARTNER}/streams/north",
        f"{ORIGIN}/streams/south",
    )
    accept = activity(kind="Accept")
    with host.open_work() as work:
        answered = work.agreements.in_force(offered, accept)
        assert answered == work.peers.of_node(NODE)
    held = _relation(host)
    assert (held.state, held.agreement, held.agreement_digest) == (
        State.IN_FORCE,
        agreement,
        digest(agreement),
    )
    assert (held.offer, held.accept, held.offered_by_us, held.proposal) == (offer.id, accept.id, False, None)


def _held(host: Host) -> Relation:
    """A relation under a first agreement."""
    relation, agreement = _introduced(host), _agreement(host)
    offer = activity(kind="Offer", actor=host.node, endTime="2026-12-01T08:00:00Z")
    with host.open_work() as work:
        work.agreements.offered(relation, offer, agreement, digest(agreement))
        held: Relation = work.agreements.in_force(work.peers.of_node(NODE), activity(PARTNER, kind="Accept"))
    return held


def test_the_next_version_stands_beside_the_present_one_until_both_have_agreed(host: Host) -> None:
    first = _held(host)
    following = {**(first.agreement or {}), "version": 2, "previousVersion": first.agreement_digest}
    offer = activity(PARTNER, kind="Offer", actor=NODE, endTime="2026-12-01T08:00:00Z")
    with host.open_work() as work:
        work.agreements.offered(first, offer, following, digest(following))
    beside = _relation(host)
    assert (beside.state, beside.agreement_digest) == (State.IN_FORCE, first.agreement_digest)
    assert beside.proposal is not None
    with host.open_work() as work:
        work.agreements.accepted(beside, activity(kind="Accept"))
    waiting = _relation(host).proposal
    assert waiting is not None
    assert waiting.accepted
    assert _relation(host).agreement_digest == first.agreement_digest
    with host.open_work() as work:
        work.agreements.in_force(work.peers.of_node(NODE), activity(kind="Accept"))
    second = _relation(host)
    assert (second.agreement_digest, second.genesis) == (digest(following), digest(first.agreement or {}))
    assert (second.stream_in, second.stream_out) == (first.stream_in, first.stream_out)
    with host.open_work() as work:
        assert work.agreements.version(second, first.agreement_digest) == first.agreement
        assert work.agreements.version(second, digest(following)) == following
        assert work.agreements.version(second, "zQmPeKaWLs2Epq6iQVYzUes1tJJYBUmiWuuMAii5s6zQkDt") is None


def test_a_declined_next_version_leaves_the_present_one(host: Host) -> None:
    first = _held(host)
    following = {**(first.agreement or {}), "version": 2}
    offer = activity(PARTNER, kind="Offer", actor=NODE, endTime="2026-12-01T08:00:00Z")
    with host.open_work() as work:
        work.agreements.offered(first, offer, following, digest(following))
        work.agreements.declined(work.peers.of_node(NODE), offer.id)
    assert _relation(host) == first


def test_a_first_accept_that_came_too_late_leaves_two_who_know_each_other(host: Host) -> None:
    first = _held(host)
    with host.open_work() as work:
        work.agreements.declined(first, first.offer)
    assert (_relation(host).state, _relation(host).agreement) == (State.VERIFIED, None)


def test_an_agreement_holds_when_neither_side_suspends_it(host: Host) -> None:
    first = _held(host)
    ours, theirs = activity(kind="Update", actor=host.node), activity(PARTNER, kind="Update", actor=NODE)
    steps = [("suspended", ours), ("suspended", theirs), ("resumed", ours), ("resumed", theirs)]
    for step, (name, said) in enumerate(steps):
        with host.open_work() as work:
            getattr(work.agreements, name)(work.peers.of_node(NODE), said)
        seen = _relation(host)
        assert (seen.suspended_here, seen.suspended_there) == [
            (True, False), (True, True), (False, True), (False, False)
        ][step]  # fmt: skip
        assert seen.state is (State.IN_FORCE if step == 3 else State.SUSPENDED)
    assert _relation(host) == first


def test_each_side_stops_spaces_for_itself_and_the_last_word_says_all(host: Host) -> None:
    first = _held(host)
    ours, theirs = activity(kind="Update", actor=host.node), activity(PARTNER, kind="Update", actor=NODE)
    one, two = f"{PARTNER}/spaces/1", f"{PARTNER}/spaces/2"
    with host.open_work() as work:
        changed = work.agreements.stopped(first, ours, [one, two])
        assert changed == work.peers.of_node(NODE)
        work.agreements.stopped(changed, theirs, [two])
    seen = _relation(host)
    assert (set(seen.stopped_here), set(seen.stopped_there), set(seen.stopped)) == (
        {one, two},
        {two},
        {one, two},
    )
    with host.open_work() as work:
        work.agreements.stopped(seen, ours, [])
    assert _relation(host).stopped == {two}


def test_notice_names_the_day_and_an_end_that_is_here_ends(host: Host) -> None:
    first, moment = _held(host), f"{host.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    members = {"kind": "Undo", "actor": NODE, "disposition": "purge-now"}
    later = activity(PARTNER, startTime="2027-12-01T08:00:00Z", **members)
    with host.open_work() as work:
        work.agreements.ends(first, later)
    assert (_relation(host).state, _relation(host).ends) == (State.IN_FORCE, "2027-12-01T08:00:00Z")
    with host.open_work() as work:
        assert work.peers.ended(PARTNER) is None
        work.agreements.ends(work.peers.of_node(NODE), activity(PARTNER, startTime=moment, **members))
        found = work.peers.of_node(NODE)
        assert found is None or found.state is State.TERMINATED
        left = work.peers.ended(PARTNER)
        assert (left.state, left.agreement, left.ends) == (State.TERMINATED, first.agreement, moment)
        assert work.peers.ended(f"{PARTNER}1") is None


def test_an_offer_that_was_declined_leaves_two_who_know_each_other(host: Host) -> None:
    relation, agreement = _introduced(host), _agreement(host)
    offer = activity(kind="Offer", actor=host.node, endTime="2026-12-01T08:00:00Z")
    with host.open_work() as work:
        work.agreements.offered(relation, offer, agreement, digest(agreement))
        assert work.peers.of_node(NODE).proposal.by_us
    with host.open_work() as work:
        work.agreements.declined(work.peers.of_node(NODE), offer.id)
    assert (_relation(host).state, _relation(host).proposal) == (State.VERIFIED, None)


# -- journal


def test_what_was_announced_is_known_as_such(host: Host) -> None:
    post = activity(ORIGIN, object={"id": f"{ORIGIN}/o/1", "type": "Note"})
    around = activity(PARTNER, type="Announce", object=post.document)
    with host.open_work() as work:
        work.journal.keep(post)
        assert not work.journal.announced(post.id)
        work.journal.keep(around, inside=post)
        assert work.journal.announced(post.id)
    with host.open_work() as work:
        assert work.journal.announced(post.id)
        assert not work.journal.announced(around.id)
        assert not work.journal.announced(f"{ORIGIN}/a/other")


# -- spaces


def _effect(host: Host, space: Space, rev: int | None, actor: str, **members: Any) -> Effect:
    """Something said in a space, kept in the journal as the walks do."""
    own = actor.startswith(ORIGIN)
    said = activity(
        ORIGIN if own else PARTNER,
        actor=actor,
        audience=space.iri,
        to=[f"{space.iri}/members"],
        **members,
    )
    with host.open_work() as work:
        work.journal.keep(said)
    return Effect(said, space, actor, rev, own, None if own else _relation(host))


def _get(host: Host, iri: str) -> Space:
    with host.open_work() as work:
        found: Space = work.spaces.get(iri)
    return found


def test_a_space_of_ours_gives_one_rev_after_another(host: Host) -> None:
    iri, manager = made.space(host)
    space = _get(host, iri)
    assert (space.host, space.hosted, space.first_rev, space.active) == (host.node, True, 0, True)
    with host.open_work() as work:
        assert work.spaces.get(f"{iri}x") is None
        assert [work.spaces.take_rev(space) for _ in range(3)] == [
            space.rev + 1,
            space.rev + 2,
            space.rev + 3,
        ]
        assert work.spaces.role(iri, manager) is Role.MANAGER
        assert work.spaces.role(iri, f"{ORIGIN}/people/nobody") is None
        assert work.spaces.role(f"{iri}x", manager) is None
        assert list(work.spaces.members(iri)) == [manager]
        assert list(work.spaces.members(f"{iri}x")) == []
        assert [each.node for each in work.spaces.nodes(iri)] == [host.node]
    assert _get(host, iri).rev == space.rev + 3


def test_somebody_is_let_in_and_out(host: Host) -> None:
    iri, manager = made.space(host)
    guest = made.person(host, "Hugo Perrin")
    enters, leaves = (
        _effect(host, _get(host, iri), rev, manager, kind=kind, object=guest)
        for rev, kind in ((3, "Add"), (4, "Remove"))
    )
    with host.open_work() as work:
        work.spaces.admit(enters, guest, Role.MEMBER)
        assert work.spaces.role(iri, guest) is Role.MEMBER
    with host.open_work() as work:
        assert work.spaces.role(iri, guest) is Role.MEMBER
        work.spaces.dismiss(leaves, guest)
        assert work.spaces.role(iri, guest) is None
    with host.open_work() as work:
        assert work.spaces.role(iri, guest) is None
        assert work.spaces.role(iri, manager) is Role.MANAGER


def test_who_asks_for_a_seat_has_none(host: Host) -> None:
    _introduced(host)
    iri, _ = made.space(host)
    stranger = f"{PARTNER}/people/{new_id()}"
    asks = _effect(host, _get(host, iri), None, stranger, kind="Follow", object=iri)
    with host.open_work() as work:
        work.spaces.request(asks)
        assert work.spaces.role(iri, stranger) is None


def test_an_answer_to_what_nobody_asked_changes_nothing(host: Host) -> None:
    iri, manager = made.space(host)
    with host.open_work() as work:
        work.spaces.request_answered(f"{ORIGIN}/a/{new_id()}", accepted=True)
    with host.open_work() as work:
        assert work.spaces.role(iri, manager) is Role.MANAGER


def test_an_organisation_that_is_not_in_a_space_cannot_leave_it(host: Host) -> None:
    relation = _introduced(host)
    iri, _ = made.space(host)
    with host.open_work() as work, pytest.raises(ReplayedMessage), work.savepoint():
        work.spaces.left(relation, work.spaces.get(iri))


THEIRS = f"{PARTNER}/spaces/1"


def _offered_space(host: Host) -> Space:
    """A partner's space that was offered to us."""
    relation = _introduced(host)
    group = {"id": THEIRS, "type": "Group", "name": "Wind study"}
    invite = activity(PARTNER, kind="Invite", actor=THEIRS, object=group)
    with host.open_work() as work:
        work.journal.keep(invite)
        work.spaces.invited(relation, invite, group)
    return _get(host, THEIRS)


def _roster(host: Host, version: int, before: Document | None, *, here: bool = True) -> Document:
    nodes = [(NODE, "host", KEY.public.multibase), (host.node, "member", made.node_key(host))]
    return {
        "id": f"{THEIRS}/roster",
        "type": "Roster",
        "version": version,
        "previousVersion": digest(before) if before else None,
        "nodes": [
            {"node": node, "name": "A house", "key": key, "role": role, "since": "2026-11-24T08:00:00Z"}
            for node, role, key in nodes[: 2 if here else 1]
        ],
        "members": [{"actor": f"{PARTNER}/people/1", "role": "manager"}],
    }


def _told(host: Host, rev: int, roster: Document) -> None:
    effect = _effect(host, _get(host, THEIRS), rev, THEIRS, kind="Update", object=roster)
    with host.open_work() as work:
        work.spaces.roster(effect, roster)


def test_a_space_that_nobody_accepted_takes_no_roster_with_us(host: Host) -> None:
    space = _offered_space(host)
    assert (space.host, space.hosted, space.active, space.roster_version) == (NODE, False, False, 0)
    with pytest.raises(OutOfScope):
        _told(host, 1, _roster(host, 1, None))
    assert not _get(host, THEIRS).active


def test_rosters_of_a_partners_space_follow_each_other(host: Host) -> None:
    _offered_space(host)
    made.welcome(host, THEIRS)
    first = _roster(host, 4, None)
    with host.open_work() as work:
        work.spaces.advance(work.spaces.get(THEIRS), 7)
    _told(host, 7, first)
    space = _get(host, THEIRS)
    assert (space.active, space.roster_version, space.first_rev, space.rev) == (True, 4, 7, 7)
    with host.open_work() as work:
        assert [each.node for each in work.spaces.nodes(THEIRS)] == [NODE, host.node]
        assert work.spaces.role(THEIRS, f"{PARTNER}/people/1") is Role.MANAGER
    for wrong in (_roster(host, 4, first), _roster(host, 6, first), _roster(host, 5, None)):
        with pytest.raises(RosterOutdated) as refused:
            _told(host, 8, wrong)
        assert refused.value.members["version"] == 4
    _told(host, 8, _roster(host, 5, first, here=False))
    space = _get(host, THEIRS)
    assert (space.active, space.roster_version) == (False, 5)


def test_a_roster_names_who_is_former(host: Host) -> None:
    _offered_space(host)
    made.welcome(host, THEIRS)
    with host.open_work() as work:
        assert list(work.spaces.former(THEIRS)) == []
        assert list(work.spaces.former(f"{THEIRS}x")) == []
    gone = FormerNode("https://west.example/actor", "West", KEY.public.multibase, 1)
    document = _roster(host, 1, None)
    document["formerNodes"] = [{"node": gone.node, "name": gone.name, "key": gone.key, "until": gone.until}]
    _told(host, 1, document)
    with host.open_work() as work:
        assert list(work.spaces.former(THEIRS)) == [gone]


def test_revs_of_a_partners_space_come_once_in_whatever_order(host: Host) -> None:
    _offered_space(host)
    made.welcome(host, THEIRS)
    _told(host, 1, _roster(host, 1, None))
    for rev, is_new in ((2, True), (5, True), (5, False), (3, True), (3, False), (2, False), (4, True)):
        with host.open_work() as work:
            if is_new:
                work.spaces.advance(work.spaces.get(THEIRS), rev)
            else:
                with pytest.raises(ReplayedMessage):
                    work.spaces.advance(work.spaces.get(THEIRS), rev)
    assert _get(host, THEIRS).rev == 5


def test_only_an_invitation_of_ours_is_open(host: Host) -> None:
    _offered_space(host)
    with host.open_work() as work:
        assert work.spaces.invitation(f"{ORIGIN}/a/{new_id()}") is None


# -- objects


def _note(host: Host, space: Space, actor: str, iri: str, words: str, kind: str = "Create") -> Effect:
    note = {
        "id": iri,
        "type": "Note",
        "attributedTo": actor,
        "audience": space.iri,
        "context": f"{space.iri}/threads/1",
        "name": "Railing",
        "content": f"<p>{words}</p>",
        "published": "2026-11-24T08:00:00Z",
        "to": [f"{space.iri}/members"],
    }
    with host.open_work() as work:
        rev = work.spaces.take_rev(space)
    return _effect(host, space, rev, actor, kind=kind, object=note)


def test_a_post_is_created_changed_liked_and_gone_for_good(host: Host) -> None:
    iri, author = made.space(host)
    space, post = _get(host, iri), f"{ORIGIN}/o/{new_id()}"
    with host.open_work() as work:
        assert work.objects.knows("Note")
        assert not work.objects.knows("Volcano")
        assert work.objects.stored(post) is None
    for does, effect in (
        ("create", _note(host, space, author, post, "before")),
        ("update", _note(host, space, author, post, "after", "Update")),
        ("like", _effect(host, space, 8, author, kind="Like", object=post)),
        ("unlike", _effect(host, space, 9, author, kind="Undo", object={"type": "Like", "object": post})),
    ):
        with host.open_work() as work:
            getattr(work.objects, does)(effect)
        with host.open_work() as work:
            assert work.objects.stored(post) == Stored(post, "Note", author, iri)
    gone = _effect(host, space, 10, author, kind="Delete", object=post)
    with host.open_work() as work:
        work.objects.delete(gone)
    with host.open_work() as work:
        assert work.objects.stored(post) == Stored(post, TOMBSTONE, author, iri)


def test_what_was_never_here_may_be_deleted_and_stays_gone(host: Host) -> None:
    iri, author = made.space(host)
    space, post = _get(host, iri), f"{ORIGIN}/o/{new_id()}"
    gone = _effect(host, space, 7, author, kind="Delete", object=post)
    with host.open_work() as work:
        work.objects.delete(gone)
    with host.open_work() as work:
        assert work.objects.stored(post) == Stored(post, TOMBSTONE, author, iri)


def test_a_post_has_its_place_once_and_none_when_it_is_gone(host: Host) -> None:
    iri, author = made.space(host)
    space, post = _get(host, iri), f"{ORIGIN}/o/{new_id()}"
    first, again = (_note(host, space, author, post, words) for words in ("before", "after"))
    gone = _effect(host, space, 10, author, kind="Delete", object=post)
    with host.open_work() as work:
        work.objects.create(replace(first, rev=None))
    with host.open_work() as work:
        work.objects.create(first)
    with host.open_work() as work, pytest.raises(ReplayedMessage), work.savepoint():
        work.objects.create(again)
    with host.open_work() as work:
        work.objects.delete(gone)
    with host.open_work() as work, pytest.raises(ReplayedMessage), work.savepoint():
        work.objects.create(again)
    with host.open_work() as work:
        assert work.objects.stored(post) == Stored(post, TOMBSTONE, author, iri)


# -- audit


def test_what_is_noted_stands_in_the_unit_of_work_and_what_is_counted_does_not(host: Host) -> None:
    with host.open_work() as work:
        work.audit.note("exchange.refused", partner=NODE, problem="https://w3id.org/parvis/v1#replay")
    with pytest.raises(ZeroDivisionError), host.open_work() as work:
        work.audit.note("exchange.undone", partner=NODE)
        raise ZeroDivisionError
    with made.reading(host) as work:
        work.audit.count("exchange.unauthenticated", "https://w3id.org/parvis/v1#clock")
    noted = made.audited(host)
    assert [name for name in noted if name.startswith("exchange.")] == ["exchange.refused"]
    assert any("unauthenticated" in name for name in noted)


# -- statements


def test_what_a_node_signed_of_its_copy_is_kept_once(host: Host) -> None:
    iri, _author = made.space(host)
    found = replica.tally(())
    signed = replica.state(NODE, iri, 3, found, replica.WHOLE, {}, KEY, "2026-11-24T08:00:00Z").document
    for _ in range(2):
        with host.open_work() as work:
            work.statements.keep(signed)
    assert made.statements(host) == [signed]


def test_a_doubt_changes_nothing_by_itself(host: Host) -> None:
    iri, manager = made.space(host)
    with host.open_work() as work:
        work.statements.doubt(iri)
        work.statements.doubt(f"{iri}x")
        assert list(work.spaces.members(iri)) == [manager]
    assert made.statements(host) == []
