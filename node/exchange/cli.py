"""Commands of the exchange."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import click

from federation.errors import EgressError
from federation.verify import verify as verify_module
from node.core.commands import needs_ground
from node.core.ground import Ground
from node.exchange import histories
from node.exchange.dossier import MAX_ENTRIES, TooMuch, Wanted, dossier
from node.exchange.evidence import evidence
from node.exchange.service import live, open_reading


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


@exchange_group.command("evidence")
@click.option(
    "--relation", "relation_id", required=True, help="Number of the relation, as `parvis peer list` shows it."
)
@click.option("--activity", help="Only this activity (its id), alone or announced.")
@click.option("--from", "begin", type=click.DateTime(["%Y-%m-%d"]), help="From this day on (UTC).")
@click.option("--to", "end", type=click.DateTime(["%Y-%m-%d"]), help="Up to and with this day (UTC).")
@click.option("--offline", is_flag=True, help="Do not have the partner confirm the log first.")
@needs_ground
def evidence_file(
    ground: Ground,
    partner: str,
    activity: str | None,
    begin: datetime | None,
    end: datetime | None,
    *,
    offline: bool,
) -> None:
    """Print a file of evidence: what was exchanged, with all that proves it. `parvis verify FILE` verifies it."""
    relation_id = _relation_id(ground, partner)
    if not offline:
        with suppress(EgressError):  # then the file shows the chain up to the receipt
            histories.checkpoint(ground, relation_id)
    wanted = Wanted(
        () if activity is None else (activity,),
        None if begin is None else begin.replace(tzinfo=UTC),
        None if end is None else end.replace(tzinfo=UTC) + timedelta(days=1),
    )
    with open_reading(ground) as work:
        try:
            written = dossier(work, relation_id, wanted)
        except TooMuch as error:
            raise click.ClickException(f"More than {MAX_ENTRIES} entries: ask for less at once.") from error
    sys.stdout.buffer.write(written)


@exchange_group.command("checkpoint")
@click.argument("partner")
@needs_ground
def checkpoint_command(ground: Ground, partner: str) -> None:
    """Have PARTNER (its host) confirm our log to it, by signing the same checkpoint. Exits 1 when it does not agree."""
    relation_id = _relation_id(ground, partner)
    try:
        agreed = histories.checkpoint(ground, relation_id, again=True)
    except EgressError as error:
        raise click.ClickException(f"The partner cannot be reached: {error}") from error
    with open_reading(ground) as work:
        for each in histories.latest(work, relation_id):
            whose = "ours" if each.ours else "theirs"
            state = "confirmed" if each.agreed else "NOT confirmed"
            click.echo(
                f"{each.stream} ({whose}): {each.size} entries, {each.at:%Y-%m-%d %H:%M} UTC, {state}."
            )
    if agreed is False:
        raise click.exceptions.Exit(1)


@exchange_group.command("disputes")
@click.argument("partner")
@needs_ground
def disputes_command(ground: Ground, partner: str) -> None:
    """Print, as JSON, where our history and that of PARTNER (its host) part: both versions, and what was signed."""
    relation_id = _relation_id(ground, partner)
    with open_reading(ground) as work:
        found = [asdict(each) for each in histories.disputes(work, relation_id)]
    click.echo(json.dumps(found, ensure_ascii=False, indent=2, default=str))


def _relation_id(ground: Ground, partner: str) -> str:
    with open_reading(ground) as work:
        found = [
            each.id for each in live(work) if partner in {each.id, each.node, urlsplit(each.node).hostname}
        ]
    if not found:
        raise click.ClickException(f"There is no relation with {partner}.")
    return found[-1]


@click.command("verify")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
def verify_file(file: str) -> None:
    """Verify a file of evidence, without database and network. Exits 1 when anything in it is not proved.

    The same as `python verify.py FILE` with `federation/verify/verify.py`, which needs nothing else of Parvis.
    """
    raise click.exceptions.Exit(verify_module.main([file]))


COMMANDS = (exchange_group, verify_file)
