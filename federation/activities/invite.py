"""Invite: the host of a space offers it to our organisation (PROTOCOL 2.j, step 2)."""

from __future__ import annotations

from collections.abc import Sequence

from federation.errors import Malformed, OutOfScope
from federation.kind import ActivityType, Reply
from federation.ports import Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Keep the invitation for our admin; the space itself was introduced before."""
    relation, group = trusted.relation, trusted.activity.object
    if relation is None or group is None or group.get("id") != trusted.activity.actor:
        raise Malformed("A space is offered by itself, embedded as object.")
    if trusted.space is not None and trusted.space.host != relation.node:
        raise OutOfScope("Only the host of a space offers it.")
    work.spaces.invited(relation, trusted.activity, group)
    return ()


INVITE = ActivityType("Invite", receive)
