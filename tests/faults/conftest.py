"""Two nodes that share a space, on each database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.faults.sides import Pair, Seed, copied, pair_of, sown, sown_on_sqlite


def _sql(url: str, *statements: str) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def _named(server: str, name: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(server).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def sqlite_seed(tmp_path_factory: pytest.TempPathFactory) -> Seed:
    return sown_on_sqlite(tmp_path_factory.mktemp("seed"))


@pytest.fixture
def sqlite_pair(sqlite_seed: Seed, tmp_path: Path) -> Iterator[Pair]:
    with copied(sqlite_seed, tmp_path) as pair:
        yield pair


@pytest.fixture(scope="session")
def postgresql_seed(postgresql_server: str, tmp_path_factory: pytest.TempPathFactory) -> Seed:
    names = {name: f"seed_{uuid.uuid4().hex[:8]}" for name in ("aubier", "nord-acier")}
    _sql(postgresql_server, *(f"CREATE DATABASE {name}" for name in names.values()))
    return sown(tmp_path_factory.mktemp("seed"), lambda name: _named(postgresql_server, names[name]))


@pytest.fixture
def postgresql_pair(postgresql_seed: Seed, postgresql_server: str, tmp_path: Path) -> Iterator[Pair]:
    made: list[str] = []

    def placed(values: dict[str, str]) -> dict[str, str]:
        seed = values["PARVIS_DATABASE_URL"].rpartition("/")[2].partition("?")[0]
        made.append(f"copy_{uuid.uuid4().hex[:8]}")
        _sql(postgresql_server, f"CREATE DATABASE {made[-1]} TEMPLATE {seed}")
        folder = tmp_path / Path(values["PARVIS_DATA_DIR"]).name
        url = _named(postgresql_server, made[-1])
        return {**values, "PARVIS_DATA_DIR": str(folder), "PARVIS_DATABASE_URL": url}

    with pair_of(postgresql_seed, placed) as pair:
        yield pair
    _sql(postgresql_server, *(f"DROP DATABASE {name} WITH (FORCE)" for name in made))
