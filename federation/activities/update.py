"""Update: an object whole (ActivityPub 7.3), an actor document, a roster, the state of an invitation or agreement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from federation import ending, gate, rekeying, roster, stopping
from federation.activity import Document
from federation.authority import Thing, thing_of
from federation.charter import check_in_force, covers_roster, covers_space
from federation.errors import BadProof, Malformed, NoAgreement, OutOfScope
from federation.kind import ActivityType, Reply, effect_of, is_history, is_hosted, spoken_of
from federation.ports import TOMBSTONE, Relation, Space, State, Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Replace what the object says by what it says now."""
    match thing_of(trusted.activity):
        case Thing.ACTOR:
            return _learn(trusted, work)
        case Thing.ROSTER:
            _take_roster(trusted, work)
        case Thing.INVITE:
            _note_confirmation(trusted, work)
        case Thing.AGREEMENT:
            if trusted.relation is None:
                raise OutOfScope("A partner speaks of its agreement.")
            take = stopping.take if stopping.is_stop(trusted.activity) else ending.take_standing
            take(trusted.activity, trusted.relation, work)
        case _:
            _replace(trusted, work)
    return ()


def _learn(trusted: Trusted, work: Work) -> Sequence[Reply]:
    """What the partner's node says of its people and spaces; of itself, with which keys it says it."""
    document, relation = trusted.activity.object, trusted.relation
    if document is None or relation is None or document.get("id") != relation.node:
        work.actors.learn(*gate.introduced_by(trusted, work))
        return ()
    known = work.actors.digest(relation.node)
    rekeying.take(document, relation, work)
    return () if known == work.actors.digest(relation.node) else list(_pass_on(document, relation, work))


def _pass_on(document: Document, relation: Relation, work: Work) -> Iterator[Reply]:
    """Who shares a space of ours with this node hears of its keys before its words come proved by them (2.j)."""
    told = {relation.node, work.node}
    for space in work.spaces.hosted_with(relation.node):
        for each in work.spaces.nodes(space):
            other = work.peers.of_node(each.node)
            if each.node in told or other is None or other.state not in _HAS_LOG:
                continue
            told.add(each.node)
            said = {"type": "Announce", "to": [other.node], "audience": space, "object": document}
            yield Reply(other, space, said)


_HAS_LOG = frozenset({State.IN_FORCE, State.SUSPENDED})


def _replace(trusted: Trusted, work: Work) -> None:
    stored = spoken_of(trusted, trusted.activity.object_id, work)
    if stored is None:
        return
    if stored.type == TOMBSTONE and not is_hosted(trusted):
        work.journal.erase(trusted.activity.id)  # our recall took effect here before it got to the host
        return
    if stored.type != trusted.activity.object_type:
        raise OutOfScope("The object is gone, or of another type.")
    work.objects.update(effect_of(trusted))


def _take_roster(trusted: Trusted, work: Work) -> None:
    relation, space = trusted.relation, trusted.space
    if space is None or trusted.activity.object is None:
        raise Malformed("A roster belongs to a space.")
    if is_history(trusted):
        return
    document = trusted.activity.object
    own = work.actors.signer(work.node).public
    taken = roster.read(
        document, own if relation is None else rekeying.node_key_for(document, relation, work)
    )
    if taken.space != space.iri or taken.nodes[0].node != space.host:
        raise OutOfScope("The roster is of another space, or names another host.")
    if relation is None:
        _check_partners(taken, space, work)
    else:
        covers_roster(relation, len(taken.nodes))
    work.spaces.roster(effect_of(trusted), taken.document)


def _check_partners(taken: roster.Roster, space: Space, work: Work) -> None:
    """Nobody enters a space of ours without an agreement, or where another's agreement forbids it."""
    there = {each.node for each in work.spaces.nodes(space.iri)}
    if there.issuperset(each.node for each in taken.nodes):
        return
    for each in taken.nodes[1:]:
        relation = work.peers.of_node(each.node)
        if relation is None:
            raise NoAgreement(f"There is no agreement with {each.node}.")
        if each.node not in there:
            check_in_force(relation, work.now)
        if all(roster.key_of(each).raw != known.raw for known in relation.keys):
            raise BadProof(f"This is not the key of {each.node}.")
        covers_space(relation, space.iri)
        covers_roster(relation, len(taken.nodes))


def _note_confirmation(trusted: Trusted, work: Work) -> None:
    relation, stated = trusted.relation, trusted.activity.object or {}
    if relation is None or stated.get("id") != relation.invite or stated.get("state") != "verified":
        raise OutOfScope("Only the invitation of this relation can be confirmed.")
    work.handshakes.confirmed_there(relation)


UPDATE = ActivityType("Update", receive)
