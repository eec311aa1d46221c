"""`parvis migration MESSAGE`: for developers, a migration from the tables as they stand in the code."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from node.core.db import Base, Database


@click.command("migration", hidden=True)
@click.argument("message")
def command(message: str) -> None:
    """Write a migration that leads from the newest revision to the tables in the code."""
    import node.capabilities  # its tables register themselves  # noqa: F401
    from node.core import migrations

    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'empty.db'}")
        try:
            migrations.upgrade(database, Base.metadata)
            migrations.write_revision(database, Base.metadata, message)
        finally:
            database.close()
