"""The served OpenAPI document holds: what it allows is answered as it says, and nothing makes a node fail.

Source: RELIABILITY S7; https://schemathesis.readthedocs.io/.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from node.app import create_app
from node.config import Settings, new_secret_key
from node.core.db import Base
from node.core.ground import Ground
from node.core.http.context import ground as ground_of
from node.identity.services.identity import identity_of
from node.identity.services.people import Person, Role
from node.identity.services.tokens import Scope

pytestmark = pytest.mark.slow

EXAMPLES = 15
MOST_S = 60
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


class World:
    """A node with something of everything in it, and tokens for whoever asks."""

    def __init__(self, app: Flask, ground: Ground, admin: Person) -> None:
        self.app, self.ground, self.admin = app, ground, admin
        self.known: dict[str, list[str]] = {}
        self._furnish()

    def token(self) -> str:
        """A token of every scope."""
        secret, _ = identity_of(self.ground).create_token(
            self.admin.id, "schemathesis", list(Scope), timedelta(days=1), by=self.admin.actor
        )
        return secret

    def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.app.test_client().post(
            f"/api/v1{path}",
            base_url=self.ground.settings.origin,
            json=body,
            headers={"Authorization": f"Bearer {self.token()}"},
        )
        assert answer.status_code < 300, answer.text
        return answer.json

    def _furnish(self) -> None:
        colleague, _link = identity_of(self.ground).add_person("Hugo Bessière", Role.MEMBER)
        space = self.post("/spaces", {"name": "Atelier", "purpose": "Pour un test"})["key"]
        thread = self.post(
            f"/spaces/{space}/threads", {"title": "Note 7", "text": "Qui relit ?", "lang": "fr"}
        )
        reply = self.post(f"/threads/{thread['thread']}/posts", {"text": "Moi.", "lang": "fr"})
        invitation = self.post("/relations/invitations", {"purpose": "Passerelle"})["key"]
        self.known = {
            "spaces": [space],
            "threads": [thread["thread"]],
            "posts": [thread["post"], reply["post"]],
            "relations": [invitation],
            "people": [colleague.wire_id],
        }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    values = {
        "PARVIS_ORIGIN": "http://aubier.localhost:8101",
        "PARVIS_ORGANISATION": "Aubier",
        "PARVIS_ENVIRONMENT": "development",
        "PARVIS_DATA_DIR": str(tmp_path_factory.mktemp("node")),
        "PARVIS_SECRET_KEY": new_secret_key(),
        "PARVIS_LIVE_HOLD_S": "0",
        "PARVIS_PERSON_RATE": "100000",
        "PARVIS_LOG_LEVEL": "ERROR",
    }
    app = create_app(Settings.load(values))
    with app.app_context():
        ground = ground_of()
    Base.metadata.create_all(ground.database.engine)
    identity = identity_of(ground)
    identity.initialise()
    admin, _link = identity.add_person("Camille Roussel", Role.ADMIN)
    yield World(app, ground, admin)
    ground.close()


def test_every_operation_answers_as_the_document_says(world: World) -> None:
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", world.app)
    schema.config.generation.update(with_security_parameters=False)
    wrong: list[str] = []
    begun = time.process_time()  # others may use the machine meanwhile
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        for mode in schemathesis.GenerationMode:
            try:
                run(world, operation, mode)
            except Unsatisfiable:
                continue  # nothing that it takes could be wrong
            except (Exception, FailureGroup) as failed:  # noqa: BLE001 -- all are told of, not the first alone
                wrong.append(f"{operation.method.upper()} {operation.path} ({mode.value}): {failed}")
    assert not wrong, "\n\n".join(wrong)
    assert time.process_time() - begun < MOST_S


def run(world: World, operation: Any, mode: schemathesis.GenerationMode) -> None:
    """Asks an operation what the document allows, or what it does not; every second time of a thing that exists."""
    token = world.token()
    count = itertools.count()
    known = world.known.get(operation.path.split("/")[3], []) if "{key}" in operation.path else []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if known and next(count) % 2:
            case.path_parameters["key"] = known[0]
        case.call_and_validate(
            base_url=world.ground.settings.origin,
            headers={"Authorization": f"Bearer {token}"},
            checks=CHECKS,
        )

    ask()
