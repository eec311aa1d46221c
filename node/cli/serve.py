"""`parvis serve`: runs the node."""

from __future__ import annotations

import os

import click

from node.config import Settings


@click.command("serve")
def command() -> None:
    """Answer requests, deliver, and work off jobs, until told to stop."""
    from node.cli.serving import Server

    settings = Settings.load(os.environ)
    settings.check_machine()
    Server(settings).run()
