"""`parvis replica …`: copies of spaces without a browser."""

from __future__ import annotations

import json

import click

from node.core.clock import rfc3339
from node.core.commands import needs_ground
from node.core.errors import NodeError
from node.core.ground import Ground
from node.replicas.services import runs
from node.spaces.services import copies as spaces


@click.group("replica")
def replica_group() -> None:
    """Copies of spaces: compare them with their hosts'."""


@replica_group.command("list")
@needs_ground
def list_copies(ground: Ground) -> None:
    """Print every shared space: key, name, and how its copies stand."""
    with ground.database.reading() as session:
        for seen in runs.everything(session, ground):
            said = (
                "kept here"
                if seen.space.hosted
                else "not compared yet"
                if seen.run is None
                else seen.run.state
            )
            proved = ", ".join(f"{each.node} at {rfc3339(each.at)}" for each in seen.proofs) or "nobody"
            click.echo(f"{seen.space.key} {seen.space.name}: {said}; proved equal with {proved}")
            for each in seen.aside:
                click.echo(f"  {each.kind} {each.iri}")


@replica_group.command("compare")
@click.argument("key", required=False)
@needs_ground
def compare(ground: Ground, key: str | None) -> None:
    """Compare our copy of a space (by its key), or every copy, and mend it. Exits 1 when one is not equal."""
    try:
        with ground.database.reading() as session:
            chosen = [spaces.by_key(session, key)] if key else spaces.everything(session)
        copies = [each for each in chosen if key or not each.hosted]
        ended = [(each, runs.compare(ground, each.id, progress=_say)) for each in copies]
    except NodeError as refusal:
        raise click.ClickException(str(refusal.safe)) from refusal
    for space, run in ended:
        click.echo(
            f"{space.key} {space.name}: {run.state} as of rev {run.as_of}, {run.count} leaves,"
            f" {run.requests} requests, {run.behind + run.repaired} mended{'. ' if run.reason else ''}{run.reason}"
        )
    if any(run.state != "equal" for _space, run in ended):
        raise click.exceptions.Exit(1)


@replica_group.command("evidence")
@click.argument("key")
@needs_ground
def evidence(ground: Ground, key: str) -> None:
    """Print what was signed of the copies of a space as JSON: pairs that prove them equal, and contradictions."""
    try:
        with ground.database.reading() as session:
            found = runs.evidence(session, ground, spaces.by_key(session, key))
    except NodeError as refusal:
        raise click.ClickException(str(refusal.safe)) from refusal
    click.echo(json.dumps(found, ensure_ascii=False, indent=2))


def _say(step: str, count: int) -> None:
    click.echo(f"{step}: {count}", err=True)


COMMANDS = (replica_group,)
