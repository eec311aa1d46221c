"""Commands of identity: the first administrator, people, tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import wraps
from typing import Concatenate, ParamSpec

import click

from node.core.errors import NodeError
from node.core.ground import Ground
from node.identity.services.identity import Identity, identity_of
from node.identity.services.people import Claims, Person, Role
from node.identity.services.tokens import DEFAULT_LIFETIME, Scope

P = ParamSpec("P")

ROLES = click.Choice([role.value for role in Role])


def initialise(ground: Ground, admin: bool) -> Iterator[str]:
    """What `parvis init` does here: the node actor with its key; with `admin` a link for the first administrator."""
    identity = identity_of(ground)
    node = identity.initialise()
    yield f"Node: {node.iri}, key {node.public_multibase}"
    if admin:
        yield "To make the first administrator, open this address once, within three days:"
        yield _link(ground, identity.first_admin_link())


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


def _find(ground: Ground, identity: Identity, handle: str) -> Person:
    with ground.database.reading() as db:
        return identity.people.by_handle(db, handle)


def _link(ground: Ground, secret: str) -> str:
    return f"{ground.settings.origin}/welcome/{secret}"
