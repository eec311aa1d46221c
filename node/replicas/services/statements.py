"""What nodes signed of copies of a space, ours among them, and what two of them prove together.

Rule: two statements of one subject (space, rev, view): of two nodes, equal, they prove that the copies are equal; of
one host, different, they prove that it tells different histories, and both are kept. Source: PROTOCOL 2.c.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.orm import Session

from federation import replica
from federation.replica import Statement, View
from node.core.audit import Act
from node.core.db import table_of
from node.core.ground import Ground
from node.core.values import value
from node.replicas import tables
from node.replicas.services import leaves
from node.spaces.services.copies import Copied

STATEMENT = table_of(tables.Statement)
KEPT = 3
"""Of each node and space, beside those that prove something."""

Standing = Literal["said", "equal", "differs", "forked"]


@value
class Pair:
    """What both sides signed of equal copies: the proof."""

    as_of: int
    at: datetime
    node: str
    ours: dict[str, Any]
    theirs: dict[str, Any]


def keep(
    session: Session, ground: Ground, space: Copied, said: Statement, hashes: bytes | None = None
) -> Standing:
    """Keep a statement whose proof holds; what it is worth beside those that we have."""
    about = (
        STATEMENT.c.space_id == space.id,
        STATEMENT.c.as_of == said.as_of,
        STATEMENT.c.view == _view(said.view),
    )
    same = session.execute(select(STATEMENT).where(*about, STATEMENT.c.node == said.node)).all()
    again = next((row for row in same if (row.root, row.leaves) == (said.root, said.count)), None)
    if again is not None and hashes is None:
        return again.standing  # type: ignore[no-any-return]
    ours = f"{ground.settings.origin}/actor"
    other = next(iter(same), None) if again is None and said.node != ours else None
    standing: Standing = "said" if other is None else "forked"
    if other is None:
        facing = STATEMENT.c.node == ours if said.node != ours else STATEMENT.c.node != ours
        newest = select(STATEMENT).where(*about, facing).order_by(STATEMENT.c.id.desc()).limit(1)
        other = session.execute(newest).first()
        if other is not None:
            equal = (other.root, other.leaves) == (said.root, said.count)
            standing = "equal" if equal else "differs"
    row = {
        "space_id": space.id,
        "node": said.node,
        "as_of": said.as_of,
        "view": _view(said.view),
        "root": said.root,
        "leaves": said.count,
        "document": json.dumps(said.document, ensure_ascii=False),
        "hashes": hashes,
        "standing": standing,
        "other_id": None if other is None else other.id,
        "at": ground.clock.now(),
    }
    number = session.execute(insert(STATEMENT).returning(STATEMENT.c.id), row).scalar_one()
    if other is not None:
        _judge(session, ground, space, said, standing, number, other)
    _prune(session, space, said.node)
    return standing


def ours(
    session: Session, ground: Ground, space_id: int, view: View, as_of: int | None = None
) -> Row[Any] | None:
    """Our newest statement of this view, or that as of a rev."""
    query = select(STATEMENT).where(
        STATEMENT.c.space_id == space_id,
        STATEMENT.c.node == f"{ground.settings.origin}/actor",
        STATEMENT.c.view == _view(view),
        STATEMENT.c.hashes.is_not(None),
    )
    if as_of is not None:
        query = query.where(STATEMENT.c.as_of == as_of)
    return session.execute(query.order_by(STATEMENT.c.id.desc()).limit(1)).first()


def proofs(session: Session, ground: Ground, space_id: int) -> list[Pair]:
    """The newest proof of equal copies with each other organisation, the newest first."""
    here = f"{ground.settings.origin}/actor"
    query = (
        select(STATEMENT)
        .where(STATEMENT.c.space_id == space_id, STATEMENT.c.standing == "equal")
        .order_by(STATEMENT.c.id.desc())
    )
    found: dict[str, Pair] = {}
    rows = session.execute(query).all()
    others = {row.id: row for row in rows}
    for row in rows:
        other = others.get(row.other_id)
        if other is None:
            continue
        mine, theirs = (row, other) if row.node == here else (other, row)
        pair = Pair(row.as_of, row.at, theirs.node, json.loads(mine.document), json.loads(theirs.document))
        found.setdefault(theirs.node, pair)
    return list(found.values())


def contradictions(session: Session, space_id: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of statements of one host that cannot both be true."""
    rows = session.execute(
        select(STATEMENT).where(STATEMENT.c.space_id == space_id, STATEMENT.c.standing == "forked")
    ).all()
    by_id = {row.id: json.loads(row.document) for row in rows}
    return [
        (by_id[row.other_id], by_id[row.id])
        for row in rows
        if row.other_id in by_id and row.id > row.other_id
    ]


def unequal(session: Session, space_id: int) -> list[tuple[str, int, datetime]]:
    """Which nodes signed another copy than ours, as of which rev, when; of each the last, unless equal since."""
    query = (
        select(STATEMENT.c.node, STATEMENT.c.as_of, STATEMENT.c.at, STATEMENT.c.standing)
        .where(STATEMENT.c.space_id == space_id, STATEMENT.c.hashes.is_(None), STATEMENT.c.standing != "said")
        .order_by(STATEMENT.c.id)
    )
    last = {row.node: row for row in session.execute(query)}
    return [(row.node, row.as_of, row.at) for row in last.values() if row.standing == "differs"]


def _judge(
    session: Session,
    ground: Ground,
    space: Copied,
    said: Statement,
    standing: Standing,
    number: int,
    other: Any,
) -> None:
    session.execute(
        update(STATEMENT)
        .where(STATEMENT.c.id == other.id, STATEMENT.c.standing != "forked")
        .values(standing=standing, other_id=number)
    )
    if standing != "equal":
        ground.audit.append(
            session,
            Act(
                f"replica.{standing}",
                peer=said.node,
                subject=space.iri,
                detail={"asOf": said.as_of, "root": said.root, "other": other.root},
            ),
        )


def _prune(session: Session, space: Copied, node: str) -> None:
    """Keep the last of each node, and what proves something; then the leaves that nothing speaks of."""
    query = (
        select(STATEMENT.c.id, STATEMENT.c.view)
        .where(STATEMENT.c.space_id == space.id, STATEMENT.c.node == node, STATEMENT.c.standing != "forked")
        .order_by(STATEMENT.c.id.desc())
    )
    seen: dict[str, int] = {}
    old = []
    for row in session.execute(query):
        seen[row.view] = seen.get(row.view, 0) + 1
        if seen[row.view] > KEPT:
            old.append(row.id)
    if old:
        session.execute(delete(STATEMENT).where(STATEMENT.c.id.in_(old)))
        oldest = select(STATEMENT.c.as_of).where(STATEMENT.c.space_id == space.id).order_by(STATEMENT.c.as_of)
        first = session.scalar(oldest.limit(1))
        leaves.forget_versions(session, space.id, first or 0)


def _view(view: View) -> str:
    return json.dumps(view.document(), sort_keys=True)


def hashes_of(row: Any) -> list[bytes]:
    """The 256 hashes of a statement of ours."""
    size = replica.HASH_BYTES
    return [row.hashes[first : first + size] for first in range(0, len(row.hashes), size)]
