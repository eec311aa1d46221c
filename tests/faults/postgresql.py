"""The nodes of a seed on PostgreSQL: databases made once, and copied there as a template."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from tests.faults.sides import Seed, Sides, sides_of, sown


def sown_on_postgresql(server: str, folder: Path) -> Seed:
    """A seed whose databases are new ones of this server."""

    def url(_: str) -> str:
        name = f"seed_{uuid.uuid4().hex[:8]}"
        _run(server, f"CREATE DATABASE {name}")
        return _named(server, name)

    return sown(folder, url)


@contextmanager
def copied_on_postgresql(seed: Seed, server: str, folder: Path) -> Iterator[Sides]:
    """All sides of such a seed, copied; in the end the copies are gone."""
    made: list[str] = []

    def placed(values: dict[str, str]) -> dict[str, str]:
        original = make_url(values["PARVIS_DATABASE_URL"]).database
        made.append(f"copy_{uuid.uuid4().hex[:8]}")
        _run(server, f"CREATE DATABASE {made[-1]} TEMPLATE {original}")
        place = folder / Path(values["PARVIS_DATA_DIR"]).name
        return {**values, "PARVIS_DATA_DIR": str(place), "PARVIS_DATABASE_URL": _named(server, made[-1])}

    with sides_of(seed, placed) as sides:
        yield sides
    _run(server, *(f"DROP DATABASE {name} WITH (FORCE)" for name in made))


def _run(server: str, *statements: str) -> None:
    url = make_url(server).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def _named(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)
