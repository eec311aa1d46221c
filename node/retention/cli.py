"""`parvis recall …` and `parvis hold …`: recalls and legal holds without a browser."""

from __future__ import annotations

import json
from datetime import datetime

import click

from node.core.clock import rfc3339
from node.core.commands import needs_ground
from node.core.errors import NodeError
from node.core.ground import Ground
from node.retention.services import holds, ledger
from node.threads.services import posting, spots
from node.threads.services.reasons import REASONS


@click.group("recall")
def recall_group() -> None:
    """Messages that were called back, and who has erased them."""


@recall_group.command("list")
@needs_ground
def list_recalls(ground: Ground) -> None:
    """Print the newest recalls: key, when, and what each organisation says."""
    with ground.database.reading() as session:
        for each in ledger.page(session):
            said = ", ".join(f"{answer.name}: {answer.outcome}" for answer in each.answers)
            click.echo(f"{each.key} {rfc3339(each.at)} {each.reason}: {said}")


@recall_group.command("receipts")
@click.argument("key")
@needs_ground
def receipts(ground: Ground, key: str) -> None:
    """Print the signed receipts of a recall, one JSON document a line."""
    try:
        with ground.database.reading() as session:
            found = ledger.one(session, key, author=None)
    except NodeError as refusal:
        raise click.ClickException(str(refusal.safe)) from refusal
    for each in found.answers:
        if each.document:
            click.echo(each.document)


@recall_group.command("begin")
@click.argument("post")
@click.option(
    "--reason", type=click.Choice(tuple(REASONS)), required=True, help="Told to everybody who has it."
)
@needs_ground
def begin(ground: Ground, post: str, reason: str) -> None:
    """Call back a message of one of our people, given by its key, in the name of the node."""
    try:
        posting.recall_for(ground, "", post, posting.Wish(reason))
    except NodeError as refusal:
        raise click.ClickException(str(refusal.safe)) from refusal


@click.group("hold")
def hold_group() -> None:
    """Legal holds: what is called back meanwhile is kept, out of sight."""


@hold_group.command("list")
@needs_ground
def list_holds(ground: Ground) -> None:
    """Print all holds, those in force first."""
    with ground.database.reading() as session:
        for each in holds.everything(session):
            state = "released" if each.released_at else f"in force, keeps {each.kept}"
            click.echo(f"{each.key} {each.reference}: {each.basis}, review by {each.review_by} ({state})")


@hold_group.command("place")
@click.argument("address")
@click.option("--basis", required=True, help="The law, the order or the contract.")
@click.option("--reference", required=True, help="Partners read it: name a file, no person.")
@click.option(
    "--review-by", type=click.DateTime(["%Y-%m-%d"]), required=True, help="When it is looked at again."
)
@needs_ground
def place(ground: Ground, address: str, basis: str, reference: str, review_by: datetime) -> None:
    """Place a hold on the space, discussion or message at ADDRESS; prints its key."""
    with ground.database.reading() as session:
        spot = spots.at_address(session, address)
    if spot is None:
        raise click.ClickException("There is nothing at this address.")
    try:
        click.echo(
            holds.place(ground, "", spot, basis=basis, reference=reference, review_by=review_by.date())
        )
    except NodeError as refusal:
        raise click.ClickException(str(refusal.members.get("errors") or refusal.safe)) from refusal


@hold_group.command("release")
@click.argument("key")
@needs_ground
def release(ground: Ground, key: str) -> None:
    """End a hold; what only it kept is erased."""
    try:
        count = holds.release(ground, "", key)
    except NodeError as refusal:
        raise click.ClickException(str(refusal.safe)) from refusal
    click.echo(f"{count} kept messages are erased now.")


@hold_group.command("export")
@click.argument("key")
@needs_ground
def export(ground: Ground, key: str) -> None:
    """Print what a hold keeps, one signed activity a line. That is put on record."""
    try:
        kept = holds.export(ground, "", key)
    except NodeError as refusal:
        raise click.ClickException(str(refusal.safe)) from refusal
    for each in kept:
        click.echo(json.dumps(each, ensure_ascii=False))


COMMANDS = (recall_group, hold_group)
