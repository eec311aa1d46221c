"""Commands of the exchange."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from node.core.commands import needs_ground
from node.core.ground import Ground
from node.exchange.evidence import evidence
from node.exchange.service import open_reading


@click.group("exchange")
def exchange_group() -> None:
    """The exchange with partners."""


@exchange_group.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@needs_ground
def verify(ground: Ground, as_json: bool) -> None:
    """Verify again every receipt that partners gave for our logs. Exits 1 when one proves nothing or is lacking.

    Of each receipt: its proof by the key of the partner's node, that it is for this log and for what we sent, and
    that it names the hash that we hold. Together they must cover every entry that counts as acknowledged.
    """
    with open_reading(ground) as work:
        found = evidence(work)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], ensure_ascii=False, indent=2))
    else:
        for each in found:
            click.echo(
                f"{each.partner}: {each.receipts} receipts hold, for entries 1 to {each.proved}"
                f" of {each.acknowledged} acknowledged ({each.stream})."
            )
            for sentence in each.wrong:
                click.echo(f"  {sentence}")
        if not found:
            click.echo("Nothing was sent to a partner yet.")
    if any(each.wrong for each in found):
        raise click.exceptions.Exit(1)
