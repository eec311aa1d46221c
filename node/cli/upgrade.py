"""`parvis upgrade`: brings the database to the revision of this code."""

from __future__ import annotations

import os

import click

from node.config import Settings
from node.core.db import Base, Database


@click.command("upgrade")
def command() -> None:
    """Bring the database to the revision of this version."""
    settings = Settings.load(os.environ)
    before, after = upgraded(settings)
    click.echo(
        f"Database: {before or 'new'} -> {after}" if before != after else f"Database: already at {after}"
    )


def upgraded(settings: Settings) -> tuple[str | None, str | None]:
    """The revisions before and after."""
    import node.capabilities  # its tables register themselves  # noqa: F401
    from node.core import migrations

    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(settings.database_url)
    try:
        before = migrations.current(database)
        migrations.upgrade(database, Base.metadata)
        return before, migrations.current(database)
    finally:
        database.close()
