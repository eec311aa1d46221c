"""Copies as pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from node.core.ground import Ground
from node.core.http import shown
from node.replicas.services import runs, statements
from node.replicas.services.runs import Seen
from node.replicas.services.statements import Pair
from node.spaces.present import Looks
from node.spaces.services import copies as spaces


def copy(looks: Looks, seen: Seen) -> shown.Copy:
    """One space with the state of its copies."""
    run = seen.run
    return shown.Copy(
        key=seen.space.key,
        name=seen.space.name,
        host=looks.org(seen.space.host),
        hosted=seen.space.hosted,
        state="" if run is None else run.state,
        at=None if run is None else run.ended or run.begun,
        leaves=0 if run is None else run.count,
        repaired=0 if run is None else run.behind + run.repaired,
        reason="" if run is None else run.reason,
        proofs=_proofs(looks, seen.proofs, seen.unequal),
        differences=[
            shown.CopyDifference(each.iri, each.kind, _side(each.ours), _side(each.theirs), each.at)
            for each in seen.aside
        ],
        forks=[
            shown.CopyFork(first["asOf"], _signed(first), _signed(second))
            for first, second in statements.contradictions(looks.session, seen.space.id)
        ],
    )


def proofs_of(session: Session, ground: Ground, space_id: int) -> list[shown.CopyProof]:
    """With which organisations the copies of a space are proved equal; for its page."""
    proved = statements.proofs(session, ground, space_id)
    return _proofs(Looks(session, ground), proved, statements.unequal(session, space_id))


def everything(session: Session, ground: Ground) -> list[shown.Copy]:
    """Each space that another organisation has, too."""
    looks = Looks(session, ground)
    return [copy(looks, each) for each in runs.everything(session, ground)]


def one(session: Session, ground: Ground, key: str) -> shown.Copy:
    """The space of this key. Raises Absent."""
    return copy(Looks(session, ground), runs.seen(session, ground, spaces.by_key(session, key)))


def _proofs(
    looks: Looks, proved: Sequence[Pair], unequal: Sequence[tuple[str, int, datetime]]
) -> list[shown.CopyProof]:
    found = {each.node: shown.CopyProof(looks.org(each.node), each.at) for each in proved}
    for node, _as_of, at in unequal:
        before = found.get(node)
        found[node] = shown.CopyProof(looks.org(node), None if before is None else before.proved, differs=at)
    return sorted(found.values(), key=lambda proof: proof.org.name)


def _signed(statement: dict[str, Any]) -> tuple[str, datetime]:
    return statement["root"], datetime.fromisoformat(statement["published"])


def _side(leaf: dict[str, Any] | None) -> shown.CopySide | None:
    return None if leaf is None else shown.CopySide(leaf["state"], leaf["rev"], leaf.get("digest", ""))
