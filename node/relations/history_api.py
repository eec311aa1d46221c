"""The JSON API of what both sides have signed: logs, where histories part, evidence."""

# mypy: allow-untyped-decorators
# flask-smorest has no types.

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import Response

from node.core.http.api import Blueprint
from node.core.http.context import ground
from node.core.http.guards import guarded, viewer
from node.exchange.dossier import Wanted
from node.relations.services import history
from node.relations.services.desk import By
from schemas.api import histories as shapes

api = Blueprint(
    "api_histories", __name__, url_prefix="/api/v1", description="What both sides have signed of their logs"
)

READ, ADMIN = "relations:read", "relations:admin"


@api.get("/relations/<key>/history")
@guarded("admin", scope=READ)
@api.response(200, shapes.History)
def show(key: str) -> history.History:
    """The newest checkpoint of each log, and where the histories of both sides part."""
    return history.of(ground(), key)


@api.post("/relations/<key>/history/compare")
@guarded("admin", scope=ADMIN)
@api.response(200, shapes.History)
def compare(key: str) -> history.History:
    """Has the partner confirm our log now. 502 when its node gives no answer."""
    history.compare(ground(), key, _by())
    return history.of(ground(), key)


@api.get("/relations/<key>/evidence")
@guarded("admin", scope=ADMIN)
@api.arguments(shapes.EvidenceQuery, location="query")
def evidence(query: dict[str, Any], key: str) -> Response:
    """A file of evidence, for `parvis verify` or `verify.py` alone, which read it byte for byte."""
    end = _day(query.get("end"))
    named = (query["activity"],) if "activity" in query else ()
    wanted = Wanted(named, _day(query.get("begin")), end and end + timedelta(days=1))
    return Response(history.evidence(ground(), key, wanted, _by()), content_type="application/json")


def _day(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time.min, UTC)


def _by() -> By:
    return By(viewer().actor, viewer().name)
