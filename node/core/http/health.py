"""`GET /health`: whether this node can do its work, for monitors and for whoever starts it."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from node.core.http.context import ground
from node.core.log import get_logger

log = get_logger(__name__)
blueprint = Blueprint("health", __name__)


@blueprint.get("/health", endpoint="ready")
def ready() -> Response:
    """200 when the database answers, else 503; nothing about the inside."""
    try:
        with ground().database.reading() as session:
            session.execute(text("SELECT 1"))
    except SQLAlchemyError as down:
        log.exception("health.database", cause=type(down).__name__)
        answer = jsonify(status="unavailable")
        answer.status_code = 503
        answer.headers["Retry-After"] = "3"
        return answer
    return jsonify(status="ready")
