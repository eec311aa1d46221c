"""Nodes for the tests of identity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jinja2 import FileSystemBytecodeCache

from node.app import create_app
from node.config import Provider, Settings, new_secret_key
from node.core.clock import SetClock
from node.core.db import Base
from node.core.ground import Ground
from node.core.http.context import ground as ground_of
from node.identity import capability
from tests.node.identity.houses import ORIGIN, MakeNode, Node


@pytest.fixture
def clock() -> SetClock:
    return SetClock(datetime.now(UTC))


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Templates compiled once, not once a node."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def make_node(tmp_path: Path, clock: SetClock, compiled: FileSystemBytecodeCache) -> Iterator[MakeNode]:
    grounds: list[Ground] = []

    def make(name: str = "aubier", *, providers: tuple[Provider, ...] = (), **settings: str) -> Node:
        values = {
            "origin": ORIGIN.replace("aubier", name),
            "organisation": name.capitalize(),
            "environment": "development",
            "data_dir": str(tmp_path / name),
            "secret_key": new_secret_key(),
            **settings,
        }
        loaded = Settings.load({f"PARVIS_{key.upper()}": value for key, value in values.items()})
        app = create_app(replace(loaded, providers=providers), capabilities=(capability,), clock=clock)
        app.jinja_env.bytecode_cache = compiled
        with app.app_context():
            ground = ground_of()
        grounds.append(ground)
        Base.metadata.create_all(ground.database.engine)
        node = Node(app, ground, clock)
        node.identity.initialise()
        return node

    yield make
    for ground in grounds:
        ground.close()


@pytest.fixture
def node(make_node: MakeNode) -> Node:
    return make_node()
