"""`parvis relation …`: the handshake without a browser, for operators and for scripts (`--json`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec

import click

from node.core.commands import needs_ground
from node.core.errors import NodeError
from node.core.ground import Ground
from node.relations.services import domains, health
from node.relations.services.desk import By
from node.relations.services.fingerprints import CHANNELS
from node.relations.services.partners import Partner
from node.relations.services.relations import relations_of
from node.relations.services.terms import DEFAULT_KEEP, KEEP, Choices
from schemas.as2.agreement import DISPOSITIONS

P = ParamSpec("P")

CLI = By("", "command line")

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _plainly(command: Callable[Concatenate[Ground, P], None]) -> Callable[P, None]:
    """Hands the ground over; a refusal becomes a sentence of the command line."""

    @wraps(command)
    def run(ground: Ground, /, *args: P.args, **options: P.kwargs) -> None:
        try:
            command(ground, *args, **options)
        except NodeError as refusal:
            said = [str(refusal.safe)]
            errors = refusal.members.get("errors")
            if isinstance(errors, dict):
                said += [
                    f"{field}: {sentence}" for field, sentence in errors.items() if str(sentence) not in said
                ]
            raise click.ClickException("\n".join(said)) from refusal

    return needs_ground(run)


@click.group("relation")
def relation_group() -> None:
    """Partners: invite, accept, compare the fingerprint, agree on a charter."""


@relation_group.command("invite")
@click.option("--host", default="", help="The invitation then works for a node of this host alone.")
@click.option("--purpose", default="", help="What the relation is for.")
@click.option("--contract", default="", help="Contract or order number.")
@click.option("--is-another", is_flag=True, help="The host looks like a known one, and is another company's.")
@as_json
@_plainly
def invite(ground: Ground, host: str, purpose: str, contract: str, is_another: bool, as_json: bool) -> None:
    """Make a link for the administrator of another company; it works once, for three days."""
    made = relations_of(ground).invite(
        CLI, host=host, purpose=purpose, contract=contract, is_another=is_another
    )
    _show(made, as_json, f"{made.link}\nKey: {made.key}. Valid until {made.expires:%Y-%m-%d %H:%M} UTC.")


@relation_group.command("accept")
@click.argument("link")
@as_json
@_plainly
def accept(ground: Ground, link: str, as_json: bool) -> None:
    """Accept an invitation; the link is given as `-` on standard input, so that no list of processes shows it."""
    text = sys.stdin.readline() if link == "-" else link
    _partner(relations_of(ground).accept(text, CLI), as_json)


@relation_group.command("list")
@as_json
@_plainly
def everybody(ground: Ground, as_json: bool) -> None:
    """List partners and open invitations."""
    found = relations_of(ground).everybody()
    lines = "\n".join(f"{each.key}\t{each.state}\t{each.name or '–'}\t{each.host}" for each in found)
    _show(found, as_json, lines or "No partner yet.")


@relation_group.command("confirm")
@click.argument("key")
@click.option(
    "--group",
    "groups",
    multiple=True,
    required=True,
    help="A group that the other administrator read aloud, as NUMBER=DIGITS; twice.",
)
@click.option("--channel", required=True, type=click.Choice(CHANNELS), help="How you spoke.")
@as_json
@_plainly
def confirm(ground: Ground, key: str, groups: tuple[str, ...], channel: str, as_json: bool) -> None:
    """Confirm that the fingerprint is the same on both sides."""
    typed = {}
    for group in groups:
        number, _, digits = group.partition("=")
        if not number.isdecimal():
            raise click.UsageError("--group is NUMBER=DIGITS, such as 3=35457.")
        typed[int(number)] = digits
    _partner(relations_of(ground).confirm(key, typed, channel, CLI), as_json)


@relation_group.command("differs")
@click.argument("key")
@click.confirmation_option(prompt="The relation ends here. Go on?")
@_plainly
def differs(ground: Ground, key: str) -> None:
    """The digits differ: end the relation."""
    relations_of(ground).differs(key, CLI)


@relation_group.command("offer")
@click.argument("key")
@click.option("--purpose", default="", help="What the relation is for.")
@click.option("--contract", default="", help="Contract or order number.")
@click.option(
    "--new-spaces", type=click.Choice(["by-invite", "none"]), default="by-invite", show_default=True
)
@click.option("--onward", type=click.Choice(["none", "allowed"]), default="none", show_default=True)
@click.option("--keep-ours", type=click.Choice(KEEP), default=DEFAULT_KEEP, show_default=True)
@click.option("--keep-theirs", type=click.Choice(KEEP), default=DEFAULT_KEEP, show_default=True)
@click.option(
    "--ends", type=click.DateTime(["%Y-%m-%d"]), default=None, help="Last day; in a year by default."
)
@as_json
@_plainly
def offer(ground: Ground, /, key: str, ends: datetime | None, as_json: bool, **choices: Any) -> None:
    """Propose a charter."""
    chosen = Choices(**choices, ends=ends.date() if ends else None)
    _partner(relations_of(ground).propose(key, chosen, CLI), as_json)


@relation_group.command("agree")
@click.argument("key")
@click.option("--digest", default="", help="Fingerprint of the text; by default that of the open offer.")
@click.option("--approver", "approvers", multiple=True, help="Role of who decided here; may be repeated.")
@as_json
@_plainly
def agree(ground: Ground, key: str, digest: str, approvers: tuple[str, ...], as_json: bool) -> None:
    """Agree to the charter that the partner proposes."""
    relations = relations_of(ground)
    open_offer = relations.partner(key).offer
    _partner(
        relations.agree(key, digest or (open_offer.terms.digest if open_offer else ""), CLI, approvers),
        as_json,
    )


@relation_group.command("decline")
@click.argument("key")
@as_json
@_plainly
def decline(ground: Ground, key: str, as_json: bool) -> None:
    """Say no to the charter that the partner proposes."""
    _partner(relations_of(ground).decline(key, CLI), as_json)


@relation_group.command("withdraw")
@click.argument("key")
@as_json
@_plainly
def withdraw(ground: Ground, key: str, as_json: bool) -> None:
    """Take back the charter that we proposed."""
    _partner(relations_of(ground).withdraw(key, CLI), as_json)


@relation_group.command("cancel")
@click.argument("key")
@_plainly
def cancel(ground: Ground, key: str) -> None:
    """Cancel an invitation that nobody has used."""
    relations_of(ground).cancel(key, CLI)


@relation_group.command("versions")
@click.argument("key")
@as_json
@_plainly
def versions(ground: Ground, key: str, as_json: bool) -> None:
    """List the versions of the agreement that hold or once held."""
    found = relations_of(ground).partner(key).versions
    lines = [
        f"{each.terms.version}\t{each.in_force_at:%Y-%m-%d}\t"
        f"{f'{each.replaced_at:%Y-%m-%d}' if each.replaced_at else 'in force'}\t{each.terms.digest}"
        for each in found
    ]
    _show(found, as_json, "\n".join(lines) or "No agreement was ever in force.")


@relation_group.command("suspend")
@click.argument("key")
@click.option("--reason", default="", help="Why, for the people of both sides.")
@click.option("--language", default="en", show_default=True, help="The language of the reason (BCP 47).")
@as_json
@_plainly
def suspend(ground: Ground, key: str, reason: str, language: str, as_json: bool) -> None:
    """Suspend: nothing but control passes from now, both ways."""
    _partner(relations_of(ground).suspend(key, reason, language, CLI), as_json)


@relation_group.command("resume")
@click.argument("key")
@as_json
@_plainly
def resume(ground: Ground, key: str, as_json: bool) -> None:
    """Take our suspension back."""
    _partner(relations_of(ground).resume(key, CLI), as_json)


@relation_group.command("end")
@click.argument("key")
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), default=None, help="Last day; by default now.")
@click.option(
    "--disposition", required=True, type=click.Choice(DISPOSITIONS), help="What becomes of the data."
)
@click.option("--reason", default="", help="Why; required sooner than the notice agreed on.")
@click.option("--language", default="en", show_default=True, help="The language of the reason (BCP 47).")
@click.confirmation_option(prompt="This can't be taken back. Go on?")
@as_json
@_plainly
def end(
    ground: Ground,
    key: str,
    on: datetime | None,
    disposition: str,
    reason: str,
    language: str,
    as_json: bool,
) -> None:
    """End the relation: give notice, or stop now."""
    day = on.date() if on else None
    ended = relations_of(ground).end(
        key, on=day, disposition=disposition, reason=reason, language=language, by=CLI
    )
    _partner(ended, as_json)


@relation_group.command("stop")
@click.argument("key")
@click.option(
    "--space",
    "spaces",
    multiple=True,
    help="The address of a space, as often as you like; none frees them all.",
)
@as_json
@_plainly
def stop(ground: Ground, key: str, spaces: tuple[str, ...], as_json: bool) -> None:
    """Stop these spaces with a partner, at once, and no others: nothing passes in them, both ways."""
    _partner(relations_of(ground).stop(key, spaces, CLI), as_json)


@relation_group.command("domains")
@as_json
@_plainly
def show_domains(ground: Ground, as_json: bool) -> None:
    """Show what the DNS must say for our e-mail domains, and which of the partners' it proves."""
    own, others = domains.ours(ground), domains.theirs(ground)
    said = {True: "found", False: "not found", None: "no answer"}
    lines = [f'{each.name}. TXT "{each.record}"\t{said[each.proven]}' for each in own]
    lines += [f"{each.organisation}\t{each.domain}\t{said[each.proven]}" for each in others]
    _show([*own, *others], as_json, "\n".join(lines) or "No domain is declared.")


@relation_group.command("retry")
@click.argument("key")
@as_json
@_plainly
def retry(ground: Ground, key: str, as_json: bool) -> None:
    """Try again at once what had stopped: delivery, and lines of theirs that failed here."""
    _partner(relations_of(ground).retry(key, CLI), as_json)


@relation_group.command("show")
@click.argument("key")
@as_json
@_plainly
def show(ground: Ground, key: str, as_json: bool) -> None:
    """Show one partner, and how delivery runs."""
    relations = relations_of(ground)
    partner = relations.partner(key)
    _partner(partner, as_json)
    found = None if as_json else health.of(ground, partner)
    if found is not None:
        click.echo(
            f"Delivery: {found.state}{f' ({found.reason})' if found.reason else ''}; {found.queued} waiting. "
            f"Lines of theirs: {found.held} tried again, {found.quarantined} given up"
            f"{', history disputed' if found.disputed else ''}."
        )


def _partner(partner: Partner, as_json: bool) -> None:
    lines = [f"{partner.name} ({partner.node}): {partner.state}. Key: {partner.key}"]
    if partner.state == "keys-exchanged":
        for group in partner.groups:
            digits = group.digits or "(they read it to you)"
            lines.append(f"  group {group.number}: {digits}{'  <- read it aloud' * (group.read_by == 'us')}")
    if partner.offer:
        by = "us" if partner.offer.by_us else "them"
        lines.append(
            f"Charter proposed by {by}, open until {partner.offer.ends:%Y-%m-%d}: {partner.offer.terms.digest}"
        )
    for stop in partner.stops:
        by = "us" if stop.by_us else "them"
        lines.append(f"Suspended by {by} since {stop.at:%Y-%m-%d %H:%M} UTC. {stop.why}".rstrip())
    for side, spaces in partner.spaces_stopped.items():
        lines += [f"Stopped by {side}: {space}" for space in spaces]
    if partner.ending:
        by = "us" if partner.ending.by_us else "them"
        lines.append(
            f"Ends {partner.ending.at:%Y-%m-%d %H:%M} UTC by notice of {by}: {partner.ending.disposition}"
        )
    if partner.waits:
        lines.append(f"Not arrived there yet, tried again by itself: {partner.waits}")
    _show(partner, as_json, "\n".join(lines))


def _show(value: object, as_json: bool, text: str) -> None:
    click.echo(json.dumps(_plain(value), ensure_ascii=False, indent=2) if as_json else text)


def _plain(value: Any) -> Any:
    """Dataclasses as objects, times as RFC 3339."""
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, (date, datetime)) else value


COMMANDS = (relation_group,)
