"""Invite: the host of a space offers it to our organisation (PROTOCOL 2.j, step 2)."""

from __future__ import annotations

from collections.abc import Sequence

from federation.errors import Malformed, OutOfScope, UnknownActor
from federation.kind import ActivityType, Reply
from federation.ports import Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Keep the invitation for our admin; the space itself was introduced before."""
    relation, group = trusted.relation, trusted.activity.object
    if relation is None or group is None:
        raise Malformed("A space is offered with its document embedded as object.")
    if trusted.activity.document.get("target") != work.node:
        raise OutOfScope("The space is offered to another node.")
    if work.actors.digest(trusted.activity.actor) is None:
        raise UnknownActor("The space was not introduced.")
    work.spaces.invited(relation, trusted.activity, group)
    return ()


INVITE = ActivityType("Invite", receive)
