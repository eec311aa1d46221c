"""Update: an object whole (ActivityPub 7.3), an actor document, a roster, or the state of an invitation."""

from __future__ import annotations

from collections.abc import Sequence

from federation import gate, roster
from federation.authority import Thing, thing_of
from federation.charter import covers_roster
from federation.errors import Malformed, OutOfScope
from federation.kind import ActivityType, Reply, effect_of
from federation.ports import Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Replace what the object says by what it says now."""
    match thing_of(trusted.activity):
        case Thing.ACTOR:
            work.actors.learn(*gate.introduced_by(trusted, work))
        case Thing.ROSTER:
            _take_roster(trusted, work)
        case Thing.INVITE:
            _note_confirmation(trusted, work)
        case _:
            work.objects.update(effect_of(trusted))
    return ()


def _take_roster(trusted: Trusted, work: Work) -> None:
    relation, space = trusted.relation, trusted.space
    if space is None or trusted.activity.object is None:
        raise Malformed("A roster belongs to a space.")
    if relation is None:  # our own, written just now
        work.spaces.roster(effect_of(trusted), trusted.activity.object)
        return
    taken = roster.read(trusted.activity.object, relation.keys[0])
    if taken.space != space.iri or taken.nodes[0].node != space.host:
        raise OutOfScope("The roster is of another space, or names another host.")
    covers_roster(relation, len(taken.nodes))
    work.spaces.roster(effect_of(trusted), taken.document)


def _note_confirmation(trusted: Trusted, work: Work) -> None:
    relation, stated = trusted.relation, trusted.activity.object or {}
    if relation is None or stated.get("id") != relation.invite or stated.get("state") != "verified":
        raise OutOfScope("Only the invitation of this relation can be confirmed.")
    work.handshakes.confirmed_there(relation)


UPDATE = ActivityType("Update", receive)
