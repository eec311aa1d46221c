"""What a partner may read of ours by a signed GET: what it was told, or is about to be told, and nothing else.

Rule: None for all else, whether it is there or not. Source: PROTOCOL 2.0, *Errors*; 2.j (nothing of a space reaches
an organisation outside its roster).
"""

from __future__ import annotations

from federation import digest, documents, synchronization
from federation.activity import CONTEXT
from federation.ports import Relation
from node.exchange.service import NodeWork, said_to
from node.spaces.services import reading
from node.threads.services import reading as threads

ROSTER, PARTIAL = "/roster", synchronization.partial_of("")


def readable(kind: str, iri: str, relation: Relation, work: NodeWork) -> bytes | None:
    """The document of `iri`, a thing of ours of this `kind` (a, o, people, spaces), if this partner may have it."""
    if kind == "a":
        return said_to(work.session, relation.id, iri)
    if kind == "people":
        return _actor(iri, relation, work)
    if kind == "spaces":
        space = iri.removesuffix(ROSTER).removesuffix(PARTIAL)
        if not any(each.node == relation.node for each in work.spaces.nodes(space)):
            return None
        if iri.endswith(ROSTER):
            return reading.roster(work.session, space).encode() or None
        if iri.endswith(PARTIAL):
            return _partial(iri, space, relation, work)
        return _actor(iri, relation, work)
    if kind == "o":
        return _object(iri, relation, work)
    return None


def _partial(iri: str, space: str, relation: Relation, work: NodeWork) -> bytes:
    """Which people of this partner's are in a space (FEP-8fcf)."""
    people = digest.followers_of(work.spaces.members(space), relation.node)
    found = {
        "id": iri,
        "type": "OrderedCollection",
        "totalItems": len(people),
        "orderedItems": sorted(people),
    }
    return documents.dumps({"@context": CONTEXT[0], **found})


def _object(iri: str, relation: Relation, work: NodeWork) -> bytes | None:
    """What people post, as the activity that this partner was told says it."""
    found = threads.object_of(work.session, iri)
    raw = None if found is None else said_to(work.session, relation.id, found[1])
    if raw is None:
        return None
    start, end = documents.span_of(raw, "object")
    return raw[start:end]


def _actor(iri: str, relation: Relation, work: NodeWork) -> bytes | None:
    """The document of a person or space of ours that was introduced to this partner."""
    document = work.actors.document(iri) if work.introductions.known(relation, iri) else None
    return None if document is None else documents.dumps(document)
