"""What waits in a stream when the agreement grows narrower: it does not leave any more.

Rule: an entry keeps its place in the chain; what it stood for is refused for good and its line goes out empty, as
one that was erased. Whoever narrows an agreement, or stops a space, calls `cut` in the same unit of work.
Source: PROTOCOL 2.a.6, 2.i.
"""

from __future__ import annotations

from federation import activity as activities
from federation import authority, documents, fence, iris
from federation.activity import Activity
from federation.authority import Thing
from federation.errors import Forbidden
from federation.ports import Relation, Work

LINES = 200  # read at once
BYTES = 4 * 2**20


def cut(relation: Relation, work: Work) -> int:
    """Refuse what waits for this partner and lies outside what `relation` says now; how many entries.

    The author of a post that waited for its host is told why (`Objects.refused`); the text stays with him.
    """
    first, refused = work.log.acknowledged(relation) + 1, 0
    while waiting := work.log.read(relation, first, LINES, BYTES):
        for entry, raw in waiting:
            problem = outside(relation, _read(raw), work) if raw else None
            if problem is None:
                continue
            work.log.refuse(relation, entry.seq, problem.document())
            work.objects.refused(entry.activity, problem.document())
            refused += 1
        first = waiting[-1][0].seq + 1
    if refused:
        work.audit.note(
            "charter.cut", partner=relation.node, entries=refused, digest=relation.agreement_digest
        )
    return refused


def outside(relation: Relation, said: Activity, work: Work) -> Forbidden | None:
    """Why something of ours may not go to this partner now, what it wraps included; None when it may."""
    place = said.audience or said.actor
    act = (said.type, authority.thing_of(said))
    inner = activities.inside(said) if act == ("Announce", Thing.ANNOUNCED) else None
    try:
        _check(relation, said, place, work.node)
        if inner is not None:
            _check(relation, inner, place, _node_of(inner.actor, place, relation, work))
    except Forbidden as problem:
        return problem
    return None


def _check(relation: Relation, said: Activity, place: str, node: str) -> None:
    if (said.type, authority.thing_of(said)) not in authority.CONTROL:
        fence.covers(relation, said, place, node)


def _node_of(actor: str, place: str, relation: Relation, work: Work) -> str:
    """Under whose authority it was said; "" for an organisation that has left the space since."""
    known = (work.node, relation.node, *(each.node for each in work.spaces.nodes(place)))
    return next((node for node in known if iris.same_origin(node, actor)), "")


def _read(raw: bytes) -> Activity:
    return activities.of(documents.loads(raw), raw)
