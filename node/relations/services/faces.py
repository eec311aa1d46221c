"""Partners as every page marks them: name, colour, state, and the key of their page.

Rule: one query for all; what is shown of a partner to everybody, and nothing else. Source: PRODUCT D.0, D.14.
"""

from __future__ import annotations

import json

from sqlalchemy import select
from sqlalchemy.orm import Session

from federation.ports import State
from node.core.values import value
from node.relations import tables


@value
class Face:
    """One partner. `hue` is None until both admins have compared the fingerprint."""

    node: str
    key: str
    name: str
    hue: int | None
    state: State
    relation_id: str
    stopped: frozenset[str] = frozenset()
    """Spaces (IRIs) in which nothing passes, whoever stopped it."""

    @property
    def in_force(self) -> bool:
        """Whether anything may be said to it now."""
        return self.state is State.IN_FORCE


def faces(session: Session) -> dict[str, Face]:
    """The live relations by node actor."""
    columns = (
        tables.Relation.node,
        tables.Relation.key,
        tables.Relation.name,
        tables.Relation.hue,
        tables.Relation.state,
        tables.Relation.id,
        tables.Relation.stopped_here,
        tables.Relation.stopped_there,
    )
    query = select(*columns).where(tables.Relation.ended_at.is_(None)).order_by(tables.Relation.id)
    return {
        row.node: Face(
            row.node,
            row.key,
            row.name,
            row.hue,
            State(row.state),
            str(row.id),
            frozenset((*json.loads(row.stopped_here), *json.loads(row.stopped_there))),
        )
        for row in session.execute(query)
    }
