"""The audit for scripts: pages of JSON, all of it as JSON lines, and the check of the chain."""

# mypy: allow-untyped-decorators
# flask-smorest has no types.

from __future__ import annotations

import json
from typing import Any

from flask import Response, stream_with_context

from node.admin.sentences import sentence_of
from node.admin.service import Line, Sought, trail_of
from node.core.http.api import Blueprint
from node.core.http.context import ground
from node.core.http.guards import guarded, viewer
from schemas.api import admin as shapes

JSON_LINES = "application/x-ndjson"

api = Blueprint("api_admin", __name__, url_prefix="/api/v1", description="The audit log")


@api.get("/audit")
@guarded("admin", scope="audit:read")
@api.arguments(shapes.AuditQuery, location="query")
@api.response(200, shapes.AuditPage)
def audit(query: dict[str, Any]) -> dict[str, Any]:
    """Lines of the audit, newest first. To read it is put on record, once a visit."""
    trail = trail_of(ground())
    trail.read_by(viewer().actor)
    found = trail.page(_sought(query), before=query["before"], limit=query["limit"])
    return {
        "items": [_shape(line) for line in found.lines],
        "next": found.lines[-1].seq if found.older else None,
    }


@api.get("/audit/lines")
@guarded("admin", scope="audit:read")
@api.arguments(shapes.AuditSought, location="query")
@api.response(200, {"type": "string"}, content_type=JSON_LINES)
def export(sought: dict[str, Any]) -> Response:
    """All lines, oldest first, one JSON object a line, as their hashes cover them. That is put on record."""
    trail, wanted = trail_of(ground()), _sought(sought)
    trail.exported_by(viewer().actor, wanted)
    lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in trail.export(wanted))
    return Response(
        stream_with_context(lines),
        content_type=JSON_LINES,
        headers={"Content-Disposition": 'attachment; filename="audit.jsonl"'},
    )


@api.get("/audit/check")
@guarded("admin", scope="audit:read")
@api.response(200, shapes.AuditChecked)
def check() -> dict[str, Any]:
    """Checks the whole chain now. Keep the head elsewhere: it proves later that no line was cut off."""
    trail = trail_of(ground())
    found, head = trail.check(), trail.head()
    return {
        "lines": found.lines,
        "checkedAt": found.at,
        "brokenAt": found.broken_at or None,
        "headSeq": head.seq,
        "headHash": head.hash,
    }


def _sought(query: dict[str, Any]) -> Sought:
    return Sought((query["action"],) if query["action"] else (), query["partner"], query["result"])


def _shape(line: Line) -> dict[str, Any]:
    return {
        "seq": line.seq,
        "at": line.at,
        "action": line.action,
        "sentence": sentence_of(line.action, line.detail),
        "actor": line.actor,
        "peer": line.peer,
        "subject": line.subject,
        "rule": line.rule,
        "digest": line.digest,
        "detail": line.detail,
        "result": "refused" if line.refused else "done",
        "hash": line.hash,
    }
