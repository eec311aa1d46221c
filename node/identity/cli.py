"""Commands of identity: the first administrator, people, tokens, keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Concatenate, ParamSpec

import click

from node.core.clock import rfc3339
from node.core.errors import NodeError
from node.core.ground import Ground
from node.core.secrets import DoesNotOpen
from node.identity.services.identity import Identity, identity_of
from node.identity.services.keys import Key, Partner, keys_of
from node.identity.services.people import Claims, Person, Role
from node.identity.services.resealing import reseal
from node.identity.services.token_keys import Kind, token_keys_of
from node.identity.services.tokens import DEFAULT_LIFETIME, Scope

P = ParamSpec("P")

ROLES = click.Choice([role.value for role in Role])


def _grounded(command: Callable[Concatenate[Ground, P], None]) -> Callable[P, None]:
    """Opens the node for the command; a refusal becomes a sentence of the command line."""

    @wraps(command)
    def run(*args: P.args, **options: P.kwargs) -> None:
        opened: Callable[[], AbstractContextManager[Ground]] = click.get_current_context().obj
        with opened() as ground:
            try:
                command(ground, *args, **options)
            except NodeError as refusal:
                raise click.ClickException(str(refusal.safe)) from refusal

    return run


@click.group("person")
def person_group() -> None:
    """The people of this organisation."""


@person_group.command("add")
@click.argument("name")
@click.option("--handle", default="", help="Account name; made of the name when absent.")
@click.option("--admin", is_flag=True, help="Make an administrator.")
@click.option("--issuer", default="", help="With --subject: the person signs in with this provider.")
@click.option("--subject", default="", help="The provider's name for the person (`sub`).")
@_grounded
def add_person(ground: Ground, name: str, handle: str, admin: bool, issuer: str, subject: str) -> None:
    """Add a person: a built-in account, or one who signs in with a provider."""
    identity, role = identity_of(ground), Role.ADMIN if admin else Role.MEMBER
    if bool(issuer) != bool(subject):
        raise click.UsageError("--issuer and --subject go together.")
    if issuer:
        if issuer not in {provider.issuer for provider in ground.settings.providers}:
            raise click.UsageError(f"{issuer} is not a configured provider.")
        person = identity.expect_person(Claims(issuer, subject, name, handle), role)
        click.echo(f"Added {person.name} ({person.preferred_username}), {person.actor}.")
        return
    person, secret = identity.add_person(name, role, handle=handle)
    click.echo(f"Added {person.name} ({person.preferred_username}), {person.actor}.")
    click.echo(f"To set the password, open once, within three days: {_link(ground, secret)}")


@person_group.command("link")
@click.argument("handle")
@_grounded
def link(ground: Ground, handle: str) -> None:
    """Make a new one-time link to set a password."""
    identity = identity_of(ground)
    click.echo(_link(ground, identity.password_link(_find(ground, identity, handle).id)))


@person_group.command("role")
@click.argument("handle")
@click.argument("role", type=ROLES)
@_grounded
def role(ground: Ground, handle: str, role: str) -> None:
    """Make someone an administrator, or a member again."""
    identity = identity_of(ground)
    person = identity.give_role(_find(ground, identity, handle).id, Role(role))
    click.echo(f"{person.name} is {person.role} now.")


@person_group.command("disable")
@click.argument("handle")
@_grounded
def disable(ground: Ground, handle: str) -> None:
    """Close an account: every session and token ends at once."""
    identity = identity_of(ground)
    person = identity.disable(_find(ground, identity, handle).id)
    click.echo(f"{person.name} is signed out everywhere and can no longer sign in.")


@person_group.command("enable")
@click.argument("handle")
@_grounded
def enable(ground: Ground, handle: str) -> None:
    """Open a closed account again."""
    identity = identity_of(ground)
    person = identity.enable(_find(ground, identity, handle).id)
    click.echo(f"{person.name} can sign in again.")


@person_group.command("list")
@_grounded
def everybody(ground: Ground) -> None:
    """List the people: handle, role, name."""
    identity, after = identity_of(ground), ""
    while True:
        with ground.database.reading() as db:
            people = identity.people.everybody(db, after=after)
        for person in people:
            closed = " (closed)" if person.disabled_at else ""
            click.echo(f"{person.preferred_username}\t{person.role}\t{person.name}{closed}")
        if not people:
            return
        after = people[-1].preferred_username


@click.group("token")
def token_group() -> None:
    """Tokens for scripts."""


@token_group.command("create")
@click.option("--person", "handle", required=True, help="Account name of the person whom the token acts for.")
@click.option(
    "--scope",
    "scopes",
    required=True,
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What the token may do; may be repeated.",
)
@click.option("--name", default="command line", show_default=True, help="What the token is for.")
@click.option("--days", default=DEFAULT_LIFETIME.days, show_default=True, type=click.IntRange(1, 366))
@_grounded
def create_token(ground: Ground, handle: str, scopes: tuple[str, ...], name: str, days: int) -> None:
    """Make a token and print it, alone on standard output, this once."""
    identity = identity_of(ground)
    person = _find(ground, identity, handle)
    wanted = [Scope(scope) for scope in scopes]
    secret, _token = identity.create_token(person.id, name, wanted, timedelta(days=days))
    click.echo(secret)


@click.group("keys")
def keys_group() -> None:
    """The keys of this node."""


@keys_group.command("list")
@_grounded
def list_keys(ground: Ground) -> None:
    """List the keys of the node: state, id, fingerprint, and what the partners were told."""
    for key in keys_of(ground).listed():
        click.echo("\n".join(_lines(key)))


@keys_group.command("rotate")
@click.option("--rehearse", is_flag=True, help="Say what would happen, partner by partner; change nothing.")
@click.option("--go-on", is_flag=True, help="Use the announced key now; who has not confirmed compares anew.")
@click.option("--actor", default="", help="IRI of a person or space of this node whose key changes instead.")
@click.option("--tokens", is_flag=True, help="Change the keys that sign tokens instead.")
@_grounded
def rotate(ground: Ground, rehearse: bool, go_on: bool, actor: str, tokens: bool) -> None:
    """Change the key of the node: announce the next one; it signs once every partner has confirmed it."""
    if rehearse + go_on + bool(actor) + tokens > 1:
        raise click.UsageError("--rehearse, --go-on, --actor and --tokens exclude each other.")
    keys = keys_of(ground)
    if rehearse:
        click.echo("\n".join(_rehearsal(keys.partners(), ground.settings.key_overlap_days)))
        return
    if tokens:
        for kind in Kind:
            with ground.database.writing() as db:
                click.echo(token_keys_of(ground).rotate(db, kind).id)
        return
    if go_on:
        keys.go_on()
    elif actor:
        keys.rotate_actor(actor)
        click.echo(f"{actor} has a new key.")
        return
    else:
        keys.rotate()
    for key in keys.listed()[:2]:
        click.echo("\n".join(_lines(key)))


@keys_group.command("revoke")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"]),
    help="When the key was compromised (UTC); now when absent.",
)
@click.option("--yes", is_flag=True, help="Don't ask.")
@_grounded
def revoke(ground: Ground, since: datetime | None, yes: bool) -> None:
    """End the key of the node at once: every partner is told, and compares the fingerprint of the new one."""
    if not yes:
        click.confirm(
            "Nothing passes until each partner has compared the new fingerprint. Revoke?", abort=True
        )
    keys_of(ground).revoke(since=since and since.replace(tzinfo=UTC))
    for key in keys_of(ground).listed()[:1]:
        click.echo("\n".join(_lines(key)))


@keys_group.command("reseal")
@_grounded
def reseal_all(ground: Ground) -> None:
    """Seal all secrets under the first secret key; afterwards the former ones may be taken away."""
    try:
        click.echo(f"Sealed anew: {reseal(ground)}.")
    except DoesNotOpen as lost:
        raise click.ClickException(f"{lost} Is a former key missing?") from lost


def _lines(key: Key) -> Iterable[str]:
    ends = f", until {rfc3339(key.ends)}" if key.ends else ""
    yield f"{key.state}\t{key.id}\t{key.fingerprint}{ends}"
    for each in key.notices:
        problem = f": {each.problem}" if each.problem else ""
        yield f"  {each.word}\t{each.state}\t{each.node}{problem}"


def _rehearsal(partners: list[Partner], overlap_days: int) -> Iterable[str]:
    if not partners:
        yield "No partner: the new key would sign at once."
        return
    yield f"A new key would be announced to {len(partners)} partners, and sign once all have confirmed it."
    for each in partners:
        away = (
            f"away since {rfc3339(each.away)}: would have to come back, or compare anew"
            if each.away
            else "reachable"
        )
        yield f"  {each.node}\t{away}"
    yield f"The present key would be accepted for {overlap_days} days more."


def _find(ground: Ground, identity: Identity, handle: str) -> Person:
    with ground.database.reading() as db:
        return identity.people.by_handle(db, handle)


def _link(ground: Ground, secret: str) -> str:
    return f"{ground.settings.origin}/welcome/{secret}"


COMMANDS = (person_group, token_group, keys_group)
