"""Commands of threads: a long history, to see how a node bears it."""

from __future__ import annotations

import click
from sqlalchemy.orm import Session

from node.core.commands import needs_ground
from node.core.errors import NodeError
from node.core.ground import Ground
from node.identity.services.identity import identity_of
from node.spaces.audience import audience
from node.spaces.services import reading as spaces
from node.spaces.services.spaces import By
from node.threads.services.seeding import seed

TOLD_EVERY = 10_000


@click.command("seed")
@click.option("--space", "key", required=True, help="Key of a space of this node, as in its address.")
@click.option("--posts", type=click.IntRange(1, 10_000_000), required=True, help="How many to write.")
@click.option(
    "--person", "handle", default="", help="Account name of who writes; a manager of the space if absent."
)
@needs_ground
def seed_command(ground: Ground, key: str, posts: int, handle: str) -> None:
    """Write a long, signed history into a space, in batches."""
    try:
        with ground.database.reading() as session:
            by = _writer(ground, session, key, handle)
        told = 0
        for done in seed(ground, by, key, posts):
            if done == posts or done - told >= TOLD_EVERY:
                click.echo(f"{done} of {posts}")
                told = done
    except NodeError as refusal:
        raise click.ClickException(str(refusal.safe)) from refusal


def _writer(ground: Ground, session: Session, key: str, handle: str) -> By:
    if handle:
        person = identity_of(ground).people.by_handle(session, handle)
        return By(person.actor)
    found = audience(session, ground, spaces.number_of(session, key)).people
    ours = [each for each in found if each.person_id is not None]
    ours.sort(key=lambda each: each.role.value != "manager")
    if not ours:
        raise click.ClickException("Nobody of this node is in the space.")
    return By(ours[0].iri)


COMMANDS = (seed_command,)
