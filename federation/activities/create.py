"""Create: something new that a person posted; or a late receipt or a checkpoint of a node (PROTOCOL 2.b)."""

from __future__ import annotations

from collections.abc import Sequence

from federation import checkpoints, documents, iris, recall, receipts, rekeying, replica, roster
from federation.activity import Document
from federation.authority import Thing, thing_of
from federation.errors import DigestMismatch, OutOfScope, RemoteError, ReplayedMessage
from federation.keys import PublicKey
from federation.kind import ActivityType, Reply, effect_of, is_hosted
from federation.ports import TOMBSTONE, Relation, Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Store the object with its author, once."""
    activity, space = trusted.activity, trusted.space
    if space is None:
        _take_control(trusted, work)
        return ()
    kind = activity.object_type
    if kind is None or not work.objects.knows(kind):
        raise OutOfScope(f"Objects of type {kind} are not kept here.")
    stored = work.objects.stored(str(activity.object_id))
    if stored is not None:
        if stored.type == TOMBSTONE and not is_hosted(trusted):
            work.journal.erase(activity.id)  # it was deleted before we heard of it, and stays so
            return ()
        awaited = trusted.relation is None and not space.hosted  # our own words, back with their place
        if not awaited or (stored.attributed_to, stored.audience) != (activity.actor, space.iri):
            raise ReplayedMessage("The object exists.")
    work.objects.create(effect_of(trusted))
    return ()


def _take_control(trusted: Trusted, work: Work) -> None:
    """What the node of a partner says of the exchange itself."""
    relation, said = trusted.relation, trusted.activity.object
    if relation is None or said is None:
        raise OutOfScope("Only a partner says how the exchange with it goes.")
    thing = thing_of(trusted.activity)
    if thing is Thing.CHECKPOINT:
        checkpoints.take(said, relation, work)
    elif thing is Thing.STATEMENT:
        _take_statement(trusted, work)
    elif recall.is_erasure(said):
        _take_erasure(said, relation, work)
    else:
        _take_late_receipt(trusted, said, relation, work)


def _take_late_receipt(trusted: Trusted, receipt: Document, relation: Relation, work: Work) -> None:
    """What became at last of an entry that was first `received` (PROTOCOL 2.b); any other has its outcome."""
    late = receipts.read_late(receipt, relation)
    entry = work.log.entry(relation, late.seq)
    if entry is None or (entry.activity, entry.entry_hash) != (late.activity, late.entry_hash):
        raise DigestMismatch("The receipt is for another entry than ours.")
    known = work.log.late(relation, entry.seq)
    answered = entry.seq <= work.log.acknowledged(relation)  # the first receipt may be on its way still
    if known or (known is None and answered):
        raise OutOfScope("The entry has its final receipt.")
    work.log.conclude(relation, entry.seq, trusted.activity.id)
    if late.outcome.outcome == "rejected":
        work.log.refuse(relation, entry.seq, late.outcome.problem or {})
        work.objects.refused(entry.activity, late.outcome.problem or {})
    event = "receipt.late-refusal" if late.outcome.outcome == "rejected" else "receipt.late"
    work.audit.note(event, partner=relation.node, seq=entry.seq, activity=entry.activity)


def _take_statement(trusted: Trusted, work: Work) -> None:
    """What a node signed of its copy of a space, and with it what the host signed of the same towards that node."""
    relation, document = trusted.relation, trusted.activity.object
    if relation is None or document is None:
        raise OutOfScope("A statement about a copy is a partner's.")
    space = work.spaces.get(str(document.get("object")))
    nodes = work.spaces.nodes(space.iri) if space is not None and space.active else ()
    if relation.node not in {each.node for each in nodes}:
        raise OutOfScope("The node is not on the roster of the space.")
    said = replica.read(document, rekeying.keys_for(document, relation.node, relation.keys, work))
    counterpart = document.get("counterpart")
    if isinstance(counterpart, dict) and nodes[0].node != work.node:
        host = work.peers.of_node(nodes[0].node)
        keys: Sequence[PublicKey] = host.keys if host is not None else (roster.key_of(nodes[0]),)
        shown = replica.read(counterpart, rekeying.keys_for(counterpart, nodes[0].node, keys, work))
        if (shown.space, shown.node) != (said.space, nodes[0].node):
            raise OutOfScope("The counterpart is no statement of the host about this space.")
        work.statements.keep(shown.document)
    work.statements.keep(said.document)


def _take_erasure(receipt: Document, relation: Relation, work: Work) -> None:
    """What a partner did about a recall, or in a run of retention; with it what the nodes behind it say."""
    recall.check_receipt(
        receipt, relation.node, rekeying.keys_for(receipt, relation.node, relation.keys, work)
    )
    if receipt["object"] == (relation.agreement or {}).get("id"):
        work.recalls.purged(relation, receipt)
        return
    space = work.recalls.awaits(receipt["object"])
    if space is None:
        raise OutOfScope("Nothing of this name was called back here.")
    nodes = {each.node: each for each in work.spaces.nodes(space)}
    if relation.node not in nodes:
        raise OutOfScope("The node is not on the roster of the space.")
    work.recalls.answered(receipt["object"], relation.node, receipt)
    for item in documents.as_list(receipt.get("items")):
        node = str(item.get("attributedTo"))
        if node not in nodes or item.get("object") != receipt["object"] or iris.same_origin(node, work.node):
            continue  # left since, or none of our business
        known = work.peers.of_node(node)
        keys: Sequence[PublicKey] = known.keys if known is not None else (roster.key_of(nodes[node]),)
        try:
            recall.check_receipt(item, node, rekeying.keys_for(item, node, keys, work))
        except RemoteError as error:
            work.audit.note(
                "receipt.unproved", partner=relation.node, activity=receipt["object"], rule=error.detail
            )
        else:
            work.recalls.answered(receipt["object"], node, item)


CREATE = ActivityType("Create", receive)
