"""The JSON API and its OpenAPI document: flask-smorest, with our errors in place of its own (DECISIONS 23).

Rule: a body is read as strictly as what partners send: no depth, size of number or odd character is an error of ours.
"""

from __future__ import annotations

import json
from typing import Any

from flask import Flask, Request
from webargs import missing
from webargs.flaskparser import FlaskParser, is_json_request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from federation import documents
from federation.errors import Malformed
from node.core.http import problems
from node.core.lean import without
from schemas.problem import Problem

with without("yaml"):  # in which nobody asks for the document
    import flask_smorest

VERSION = "v1"
PREFIX = "/api/v1"


class StrictParser(FlaskParser):
    """Reads what the schemas are asked about: Python's own reader fails on depth and on long numbers, and takes NaN."""

    def _raw_load_json(self, req: Request) -> Any:
        raw = req.get_data(cache=True)
        if not raw or not is_json_request(req):
            return missing
        try:
            return documents.loads_any(raw, floats=True)
        except Malformed as error:
            raise json.JSONDecodeError(error.detail, "json", 0) from error


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    """Doors of the JSON API."""

    ARGUMENTS_PARSER = StrictParser()


class Api(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest has no types
    """`/api/v1` and `/api/v1/openapi.json`. Errors are problem documents (RFC 9457)."""

    ERROR_SCHEMA = Problem

    def __init__(self, app: Flask) -> None:
        app.config.update(
            API_TITLE="Parvis",
            API_VERSION=VERSION,
            OPENAPI_VERSION="3.0.3",
            OPENAPI_URL_PREFIX=PREFIX,
            OPENAPI_JSON_PATH="openapi.json",
        )
        security: dict[str, Any] = {
            "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
            "security": [{"token": []}],
        }
        super().__init__(app, spec_kwargs=security)

    def handle_http_exception(self, error: HTTPException) -> Response:
        """One place answers: `problems`."""
        return problems.of_http(error)

    def _register_responses(self) -> None:
        """Errors alone: they have the media type of a problem document, which the library cannot be told otherwise."""
        self.DEFAULT_RESPONSE_CONTENT_TYPE = problems.PROBLEM
        super()._register_responses()
        del self.DEFAULT_RESPONSE_CONTENT_TYPE
