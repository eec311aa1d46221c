"""Accept: of an agreement, of a space that we offered, or of our own person's Join (PROTOCOL 2.a.5, 2.j)."""

from __future__ import annotations

from collections.abc import Sequence

from federation import offers
from federation.authority import Thing, thing_of
from federation.errors import OutOfScope
from federation.kind import ActivityType, Reply
from federation.ports import Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Put into force what was offered; who was let in shows by the Announce of it."""
    relation = trusted.relation
    if relation is None:
        raise OutOfScope("A node accepts what its partner offered.")
    match thing_of(trusted.activity):
        case Thing.OFFER:
            offers.accept(trusted.activity, relation, work)
        case Thing.INVITE:
            found = work.spaces.invitation(str(trusted.activity.object_id))
            if found is None or found[1] != relation.node:
                raise OutOfScope("No such invitation.")  # never issued, or another's (SECURITY C8)
            work.spaces.answered(relation, str(trusted.activity.object_id), accepted=True)
        case _:
            said = work.journal.get(str(trusted.activity.object_id))
            if said is not None and said.type == "Follow" and said.audience == trusted.activity.actor:
                work.spaces.request_answered(said.id, accepted=True)
    return ()


ACCEPT = ActivityType("Accept", receive)
