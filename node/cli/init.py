"""`parvis init`: makes key, database and node actor; with `--admin` a one-time link for the first admin."""

from __future__ import annotations

import os

import click

from node.config import Settings, create_secret_key


@click.command("init")
@click.option(
    "--admin", is_flag=True, help="Print a one-time link with which somebody becomes the first admin."
)
def command(*, admin: bool) -> None:
    """Make what a new node needs; do nothing twice."""
    from node.capabilities import CAPABILITIES
    from node.cli.opening import opened
    from node.cli.upgrade import upgraded

    made = create_secret_key(os.environ)
    if made is not None:
        click.echo(f"Secret key: {made} (keep a copy; without it the private keys cannot be opened)")
    settings = Settings.load(os.environ)
    _, revision = upgraded(settings)
    click.echo(f"Database: at revision {revision}")
    with opened() as ground:
        for capability in CAPABILITIES:
            if capability.initialise is not None:
                for line in capability.initialise(ground, admin):
                    click.echo(line)
