"""Undo: the same actor takes back a Like, a node its open Offer, the agreement, or a space (PROTOCOL 2.a, 2.j)."""

from __future__ import annotations

from collections.abc import Sequence

from federation import documents, ending, offers
from federation.authority import Thing, thing_of
from federation.errors import OutOfScope
from federation.kind import ActivityType, Reply, effect_of, spoken_of
from federation.ports import Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Take the Like or the Offer off, end the agreement, or take the partner's organisation out of the space."""
    thing = thing_of(trusted.activity)
    if thing is Thing.LIKE:
        liked = documents.id_of((trusted.activity.object or {}).get("object"))
        if spoken_of(trusted, liked, work) is not None:
            work.objects.unlike(effect_of(trusted))
        return ()
    space, relation = trusted.space, trusted.relation
    if thing in {Thing.OFFER, Thing.AGREEMENT} and relation is not None:
        ends = thing is Thing.AGREEMENT or ending.is_termination(trusted.activity)
        take = ending.take_termination if ends else offers.take_withdrawal
        take(trusted.activity, relation, work)
        return ()
    if space is None or relation is None or not space.hosted:
        raise OutOfScope("Only the host's space can be left.")
    work.spaces.left(relation, space)
    return ()


UNDO = ActivityType("Undo", receive)
