"""Create: something new that a person posted, or a receipt that a node sends later (PROTOCOL 2.b)."""

from __future__ import annotations

from collections.abc import Sequence

from federation.errors import OutOfScope, ReplayedMessage
from federation.kind import ActivityType, Reply, effect_of
from federation.ports import Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Store the object with its author, once."""
    activity = trusted.activity
    if trusted.space is None:
        work.audit.note(
            "receipt.late", relation=trusted.relation, about=(activity.object or {}).get("object")
        )
        return ()
    kind = activity.object_type
    if kind is None or not work.objects.knows(kind):
        raise OutOfScope(f"Objects of type {kind} are not kept here.")
    stored = work.objects.stored(str(activity.object_id))
    if stored is not None and stored.attributed_to != activity.actor:
        raise ReplayedMessage("The object exists, and is another's.")
    work.objects.create(effect_of(trusted))
    return ()


CREATE = ActivityType("Create", receive)
