"""Nodes of several organisations as real processes on loopback, each on a database of its own.

    def test_two_talk(nodes: MakeNodes) -> None:
        aubier, leroux = nodes(AUBIER, LEROUX_HART)

Rule: made by what an operator has (settings, `parvis init`, people, tokens), then only spoken to through the doors.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import create_engine, text

from node.cli.demo.houses import House, built
from node.cli.demo.nodes import end_all, free_ports, local_egress, start_all
from node.cli.demo.story import Organisation

PASSWORD = "une phrase de passe longue"
TEST_SETTINGS = {"visitor_rate": "50"}
"""All browsers of a test come from one address."""


class MakeNodes(Protocol):
    """Makes the nodes of these organisations and waits until all answer; they end with the fixture."""

    def __call__(
        self, *organisations: Organisation, settings: Mapping[str, Mapping[str, str]] | None = None
    ) -> list[House]: ...


class Databases(Protocol):
    """The URL of a fresh database by its name, or an empty one for the SQLite file of the node's own."""

    def __call__(self, name: str) -> str: ...


def made(folder: Path, database: Databases) -> Iterator[MakeNodes]:
    """The body of a fixture that gives `MakeNodes`."""
    houses: list[House] = []
    egress = local_egress()

    def make(
        *organisations: Organisation, settings: Mapping[str, Mapping[str, str]] | None = None
    ) -> list[House]:
        new = []
        for each, port in zip(organisations, free_ports(len(organisations)), strict=True):
            own = {
                **TEST_SETTINGS,
                "database_url": database(each.slug),
                **(settings or {}).get(each.slug, {}),
            }
            new.append(
                built(each, folder / f"{each.slug}-{port}", port, egress, password=PASSWORD, settings=own)
            )
        houses.extend(new)
        start_all(house.node for house in new)
        return new

    try:
        yield make
    finally:
        end_all(house.node for house in houses)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def node_databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """Fresh databases of each kind."""
    if request.param == "sqlite":
        yield lambda _name: ""
        return
    server: str = request.getfixturevalue("postgresql_server")
    admin = create_engine(
        server.replace("postgresql://", "postgresql+psycopg://", 1), isolation_level="AUTOCOMMIT"
    )
    names: list[str] = []

    def fresh(name: str) -> str:
        names.append(f"{name.replace('-', '_')}_{uuid.uuid4().hex[:8]}")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {names[-1]}"))
        url = admin.url.set(drivername="postgresql", database=names[-1])
        return url.render_as_string(hide_password=False)

    yield fresh
    with admin.connect() as connection:
        for name in names:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def nodes(tmp_path: Path, node_databases: Databases) -> Iterator[MakeNodes]:
    """Makes nodes on each kind of database."""
    yield from made(tmp_path, node_databases)
