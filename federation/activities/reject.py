"""Reject: of an agreement, of a space that we offered, or of our own person's request."""

from __future__ import annotations

from collections.abc import Sequence

from federation import iris, offers
from federation.authority import Thing, thing_of
from federation.errors import OutOfScope
from federation.kind import ActivityType, Reply
from federation.ports import Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Note the answer, so that a person sees it."""
    activity, relation = trusted.activity, trusted.relation
    if relation is None:
        raise OutOfScope("A node rejects what its partner offered.")
    match thing_of(activity):
        case Thing.OFFER:
            offers.take_rejection(activity, relation, work)
        case Thing.INVITE:
            found = work.spaces.invitation(str(activity.object_id))
            if found is None or found[1] != relation.node:
                raise OutOfScope("No such invitation.")
            work.spaces.answered(relation, str(activity.object_id), accepted=False)
        case _:
            said = work.journal.get(str(activity.object_id))
            if said is None or said.audience != activity.actor or not iris.same_origin(said.actor, work.node):
                raise OutOfScope("No such request.")
            if said.type == "Follow":
                work.spaces.request_answered(said.id, accepted=False)
            else:
                work.objects.refused(said.id, {"type": "about:blank", "title": "Declined"})
    return ()


REJECT = ActivityType("Reject", receive)
