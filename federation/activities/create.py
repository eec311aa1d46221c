"""Create: something new that a person posted, or a receipt that a node sends later (PROTOCOL 2.b)."""

from __future__ import annotations

from collections.abc import Sequence

from federation import receipts
from federation.errors import DigestMismatch, OutOfScope, ReplayedMessage
from federation.kind import ActivityType, Reply, effect_of
from federation.ports import TOMBSTONE, Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Store the object with its author, once."""
    activity, space = trusted.activity, trusted.space
    if space is None:
        _take_late_receipt(trusted, work)
        return ()
    kind = activity.object_type
    if kind is None or not work.objects.knows(kind):
        raise OutOfScope(f"Objects of type {kind} are not kept here.")
    stored = work.objects.stored(str(activity.object_id))
    if stored is not None:
        if stored.type == TOMBSTONE and not space.hosted:
            return ()  # it was deleted before we heard of it, and stays so
        awaited = trusted.relation is None and not space.hosted  # our own words, back with their place
        if not awaited or (stored.attributed_to, stored.audience) != (activity.actor, space.iri):
            raise ReplayedMessage("The object exists.")
    work.objects.create(effect_of(trusted))
    return ()


def _take_late_receipt(trusted: Trusted, work: Work) -> None:
    """What became at last of an entry that was first `received` (PROTOCOL 2.b)."""
    relation = trusted.relation
    if relation is None or trusted.activity.object is None:
        raise OutOfScope("A receipt is given by a partner.")
    late = receipts.read_late(trusted.activity.object, relation)
    entry = work.log.entry(relation, late.seq)
    if entry is None or (entry.activity, entry.entry_hash) != (late.activity, late.entry_hash):
        raise DigestMismatch("The receipt is for another entry than ours.")
    if late.outcome.outcome == "rejected":
        work.log.refuse(relation, entry.seq, late.outcome.problem or {})
        work.objects.refused(entry.activity, late.outcome.problem or {})
    work.audit.note("receipt.late", partner=relation.node, seq=entry.seq, activity=entry.activity)


CREATE = ActivityType("Create", receive)
