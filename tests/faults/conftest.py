"""Two nodes that share a space, on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.postgresql import copied_on_postgresql, sown_on_postgresql
from tests.faults.sides import Seed, Sides, copied, sown_on_sqlite


@pytest.fixture(scope="session")
def sqlite_seed(tmp_path_factory: pytest.TempPathFactory) -> Seed:
    return sown_on_sqlite(tmp_path_factory.mktemp("seed"))


@pytest.fixture
def sqlite_pair(sqlite_seed: Seed, tmp_path: Path) -> Iterator[Sides]:
    with copied(sqlite_seed, tmp_path) as sides:
        yield sides


@pytest.fixture(scope="session")
def postgresql_seed(postgresql_server: str, tmp_path_factory: pytest.TempPathFactory) -> Seed:
    return sown_on_postgresql(postgresql_server, tmp_path_factory.mktemp("seed"))


@pytest.fixture
def postgresql_pair(postgresql_seed: Seed, postgresql_server: str, tmp_path: Path) -> Iterator[Sides]:
    with copied_on_postgresql(postgresql_seed, postgresql_server, tmp_path) as sides:
        yield sides
