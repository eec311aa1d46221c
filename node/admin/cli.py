"""Commands of the audit."""

from __future__ import annotations

import json

import click

from node.admin.service import Sought, trail_of
from node.core.audit import Head
from node.core.commands import needs_ground
from node.core.ground import Ground

NO_HEAD = "write it like 1234:9f86d081884c7d65…, the number and the hash of a line"


class _HeadType(click.ParamType[Head]):
    name = "SEQ:HASH"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        seq, _colon, found = value.partition(":")
        if not (seq.isdecimal() and found):
            self.fail(NO_HEAD, param, ctx)
        return Head(int(seq), found)


@click.group("audit")
def audit_group() -> None:
    """The audit log."""


@audit_group.command("verify")
@click.option("--head", type=_HeadType(), help="A head noted earlier, that the chain must still contain.")
@needs_ground
def verify(ground: Ground, head: Head | None) -> None:
    """Check the whole chain; prints its head, to be noted elsewhere. Exits 1 when a line does not hold.

    The hash of a line is the SHA-256 of the JSON of its other members and of `previous`, the hash before it
    (64 zeros for the first), keys sorted, without blanks, in UTF-8.
    """
    trail = trail_of(ground)
    found = trail.check(head)
    if found.broken_at:
        raise click.ClickException(f"The audit log does not hold at line {found.broken_at}.")
    newest = trail.head()
    click.echo(f"{found.lines} lines, all whole. Head {newest.seq}:{newest.hash}")


@audit_group.command("export")
@needs_ground
def export(ground: Ground) -> None:
    """Print every line as JSON, oldest first. That is put on record."""
    trail = trail_of(ground)
    trail.exported_by("", Sought())
    for line in trail.export(Sought()):
        click.echo(json.dumps(line, ensure_ascii=False))


COMMANDS = (audit_group,)
