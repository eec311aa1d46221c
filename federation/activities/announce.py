"""Announce: the host has accepted something into its space, or introduces somebody (FEP-1b12; 2.j)."""

from __future__ import annotations

from collections.abc import Sequence

from federation import gate, limits
from federation.authority import Thing, thing_of
from federation.errors import Malformed, OutOfScope, SequenceGap
from federation.kind import ActivityType, Reply
from federation.ports import Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Learn who is introduced; or note the `rev` and go on with what is inside."""
    space = trusted.space
    if space is None:
        raise OutOfScope("An Announce names its space as audience.")
    if thing_of(trusted.activity) is Thing.ACTOR:
        if trusted.activity.rev is not None:
            raise Malformed("An introduction has no `rev`.")
        work.actors.learn(*gate.introduced_by(trusted, work))
        return ()
    if trusted.activity.rev is None:
        raise Malformed("What a space accepted has a `rev`.")
    inside = gate.announced(trusted, work)
    if not space.active and inside.activity.object_type != "Roster":
        raise OutOfScope("We are not on the roster of this space.")
    if space.active and trusted.activity.rev > space.rev + limits.MAX_REV_GAP:
        raise SequenceGap(f"rev {space.rev + 1} is expected.", expected=space.rev + 1)
    work.spaces.advance(space, trusted.activity.rev)
    return (inside,)


ANNOUNCE = ActivityType("Announce", receive)
