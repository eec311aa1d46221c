"""`parvis demo`: three organisations on this machine, peered, sharing a space; `--check` does it without a person."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("demo")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/demo"),
    show_default=True,
    help="Where the three organisations live.",
)
@click.option("--fresh", is_flag=True, help="Forget what an earlier demo left there, and begin anew.")
@click.option(
    "--check", is_flag=True, help="Without a person, in a folder of its own: prove that it all works."
)
@click.option("--once", is_flag=True, help="End again as soon as all is ready.")
def command(*, folder: Path, fresh: bool, check: bool, once: bool) -> None:
    """Start three organisations on this machine, to look at. Ctrl-C ends them."""
    from node.cli.demo.checking import run as run_check
    from node.cli.demo.showing import run as run_show
    from node.cli.demo.stopping import heed

    heed()
    if check:
        sys.exit(run_check())
    run_show(folder, fresh=fresh, once=once)
