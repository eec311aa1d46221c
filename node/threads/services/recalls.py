"""Saying a recall: to the space; and by itself to a partner whose stream waits (PROTOCOL 2.a.7, 2.f)."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from federation import recall
from federation.activity import Document
from federation.ports import Mode, Recall
from node.core.clock import rfc3339
from node.core.ground import Ground
from node.exchange import service as exchange
from node.exchange.service import NodeWork

APPLY_S = 3600
"""How long partners have, when no agreement says it."""

INCLUDES = ("attachments", "derived", "search-index", "exports", "versions")


class What(NamedTuple):
    """An object in its space, both by IRI."""

    space: str
    object: str


def wished(work: NodeWork, space: str, mode: Mode, reason: str, replacement: str | None = None) -> Recall:
    """A recall with the deadline that the agreements of the space allow, the longest of them."""
    found = [APPLY_S]
    for each in work.spaces.nodes(space):
        relation = work.peers.of_node(each.node)
        agreed = ((relation.agreement if relation else None) or {}).get("recall", {})
        found += [agreed["applySeconds"]] if "applySeconds" in agreed else []
    deadline = work.now + timedelta(seconds=max(found))
    return Recall(mode, reason, rfc3339(deadline), INCLUDES, replacement)


def say(ground: Ground, work: NodeWork, actor: str, what: What, asked: Recall) -> None:
    """Says it, as `actor` of ours. Raises federation's errors for what may not be said."""
    document: Document = {
        "to": [f"{what.space}/members"],
        "audience": what.space,
        "type": "Delete",
        "object": {"id": what.object, "type": "Tombstone", "deleted": rfc3339(work.now)},
        **recall.document(asked),
    }
    exchange.publish(ground, work, document, actor)
