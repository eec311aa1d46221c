"""Organisations made ready before they are started: settings, database, node actor, people, tokens.

Rule: only what an operator does on the machine itself (`parvis init`, `person add`, `token create`) is done
here, through the same services; everything after it goes through the doors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from federation.adapters.egress import Egress
from node.cli.demo.client import Voice
from node.cli.demo.nodes import Node
from node.cli.demo.story import Organisation, Person
from node.config import Settings

TOKEN_DAYS = 2


@dataclass(slots=True)
class House:
    """An organisation with its node and what each of its people may say there, by handle."""

    organisation: Organisation
    node: Node
    voices: dict[str, Voice] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.organisation.name

    @property
    def admin(self) -> Voice:
        return self.voices[self.organisation.admin.handle]


def built(
    organisation: Organisation,
    folder: Path,
    port: int,
    egress: Egress,
    *,
    password: str,
    scheme: str = "http",
    settings: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> House:
    """A house ready to be started: `http://SLUG.localhost:PORT`, everybody with this password."""
    node = Node(organisation.name, folder, egress, environment or {})
    origin = f"{scheme}://{organisation.slug}.localhost:{port}"
    node.write_settings(
        {
            "origin": origin,
            "organisation": organisation.name,
            "language": organisation.language,
            "port": str(port),
            **(settings or {}),
        }
    )
    tokens = _furnish(node.settings, organisation.people, password)
    voices = {
        person.handle: Voice(egress, origin, tokens[person.handle], person.name)
        for person in organisation.people
    }
    return House(organisation, node, voices)


def found(organisation: Organisation, folder: Path, egress: Egress) -> House:
    """A house that was built before; nobody has a voice in it."""
    return House(organisation, Node(organisation.name, folder, egress))


def _furnish(settings: Settings, people: Sequence[Person], password: str) -> dict[str, str]:
    """Database, node actor and people; a token of each person by handle."""
    from node.app import create_app
    from node.capabilities import CAPABILITIES
    from node.cli.upgrade import upgraded
    from node.core.http import context
    from node.identity.services.identity import identity_of
    from node.identity.services.people import Role
    from node.identity.services.tokens import FOR_ADMINS, Scope

    upgraded(settings)
    app = create_app(replace(settings, log_level="ERROR"))
    tokens: dict[str, str] = {}
    with app.app_context():
        ground = context.ground()
        try:
            for capability in CAPABILITIES:
                if capability.initialise is not None:
                    list(capability.initialise(ground, False))
            identity = identity_of(ground)
            for each in people:
                role = Role.ADMIN if each.is_admin else Role.MEMBER
                person, _link = identity.add_person(each.name, role, handle=each.handle)
                identity.set_password(person.id, password)
                scopes = [scope for scope in Scope if each.is_admin or scope not in FOR_ADMINS]
                tokens[each.handle], _ = identity.create_token(
                    person.id, "demo", scopes, timedelta(days=TOKEN_DAYS)
                )
        finally:
            ground.close()
    return tokens
