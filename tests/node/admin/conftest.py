"""A node with an administrator and a partner on its list."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from node.admin import capability as admin
from node.app import create_app
from node.config import Settings, new_secret_key
from node.core.clock import SetClock
from node.core.db import Base
from node.core.http.context import ground as ground_of
from node.exchange import capability as exchange
from node.identity import capability as identity
from node.identity.services.people import Person, Role
from node.relations import capability as relations
from tests.node.identity.houses import ORIGIN, Browser, Node


@pytest.fixture
def node(tmp_path: Path, database_url: str) -> Iterator[Node]:
    values = {
        "PARVIS_ORIGIN": ORIGIN,
        "PARVIS_ORGANISATION": "Aubier",
        "PARVIS_ENVIRONMENT": "development",
        "PARVIS_DATA_DIR": str(tmp_path / "data"),
        "PARVIS_DATABASE_URL": database_url,
        "PARVIS_SECRET_KEY": new_secret_key(),
    }
    clock = SetClock(datetime.now(UTC).replace(microsecond=0))
    app = create_app(Settings.load(values), capabilities=(exchange, identity, relations, admin), clock=clock)
    with app.app_context():
        ground = ground_of()
    Base.metadata.create_all(ground.database.engine)
    node = Node(app, ground, clock)
    node.identity.initialise()
    yield node
    ground.close()


@pytest.fixture
def ines(node: Node) -> Person:
    return node.person("Inès Le Goff", Role.ADMIN)


@pytest.fixture
def browser(node: Node, ines: Person) -> Browser:
    opened = node.browser()
    opened.sign_in(ines)
    return opened
