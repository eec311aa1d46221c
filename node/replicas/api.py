"""The JSON API of copies of spaces."""

# mypy: allow-untyped-decorators
# flask-smorest has no types.

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from node.core.http.api import Blueprint
from node.core.http.context import ground
from node.core.http.guards import guarded, viewer
from node.replicas.services import runs
from node.replicas.services.runs import Seen
from node.spaces.services import copies as spaces
from schemas.api import replicas as shapes

api = Blueprint("api_replicas", __name__, url_prefix="/api/v1", description="Copies of spaces, compared")


@api.get("/copies")
@guarded("admin", scope="relations:admin")
@api.response(200, shapes.Copy(many=True))
def copies() -> list[dict[str, Any]]:
    """Every shared space, and how its copies stand."""
    with ground().database.reading() as session:
        return [_copy(each) for each in runs.everything(session, ground())]


@api.get("/copies/<key>")
@guarded("admin", scope="relations:admin")
@api.response(200, shapes.Copy)
def copy(key: str) -> dict[str, Any]:
    """One of them, with both sides of what differs."""
    with ground().database.reading() as session:
        return _copy(runs.seen(session, ground(), spaces.by_key(session, key)))


@api.get("/copies/<key>/evidence")
@guarded("admin", scope="relations:admin")
@api.response(200, shapes.CopyEvidence)
def evidence(key: str) -> dict[str, Any]:
    """What was signed of the copies of a space: pairs that prove them equal, and what contradicts itself."""
    with ground().database.reading() as session:
        return runs.evidence(session, ground(), spaces.by_key(session, key))


@api.post("/copies/<key>/compare")
@guarded("admin", scope="relations:admin")
@api.response(202)
def compare(key: str) -> None:
    """Compares our copy of a partner's space with its host's, in the background."""
    runs.ask(ground(), key, viewer().actor)


def _copy(seen: Seen) -> dict[str, Any]:
    return {
        "key": seen.space.key,
        "id": seen.space.iri,
        "name": seen.space.name,
        "hosted": seen.space.hosted,
        "host": seen.space.host,
        "run": None if seen.run is None else asdict(seen.run),
        "proofs": [{"node": each.node, "as_of": each.as_of, "at": each.at} for each in seen.proofs],
        "differences": [asdict(each) for each in seen.aside],
        "contradictions": seen.forks,
    }
