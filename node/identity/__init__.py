"""People of this organisation: sign-in, sessions, tokens, actors and their custodial keys."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask

from node.core.capability import Capability
from node.core.ground import Ground
from node.core.http.guards import set_viewer_loader
from node.identity import browser, jobs, keys_web
from node.identity.api import api
from node.identity.oidc import RelyingParty
from node.identity.people_web import navigation
from node.identity.ports import actors
from node.identity.services.identity import identity_of
from node.identity.web import RELYING_PARTY


def _set_up(app: Flask, ground: Ground) -> None:
    settings, identity = ground.settings, identity_of(ground)
    jobs.subscribe(ground)
    app.session_interface = browser.Sessions(ground, identity)
    set_viewer_loader(app, lambda: browser.load_viewer(ground, identity))
    app.extensions[RELYING_PARTY] = RelyingParty(
        settings.origin,
        settings.providers,
        development=settings.is_development,
        networks=settings.networks,
        ca_file=str(settings.ca_file) if settings.ca_file.name else None,
    )


def _initialise(ground: Ground, admin: bool) -> Iterator[str]:  # noqa: FBT001 - the shape of Capability.initialise
    """The node actor with its key; with `admin` a link for the first administrator."""
    identity = identity_of(ground)
    node = identity.initialise()
    with ground.database.reading() as db:
        key = identity.actors.signing_key(db, node.iri).public
    yield f"Node: {node.iri}, key {key.multibase}"
    if admin:
        yield "To make the first administrator, open this address once, within three days:"
        yield f"{ground.settings.origin}/welcome/{identity.first_admin_link()}"


capability = Capability(
    name="identity",
    blueprints=(keys_web.web, api),
    ports={"actors": actors},
    jobs=jobs.ALL,
    commands="node.identity.cli",
    initialise=_initialise,
    navigation=navigation,
    frame=browser.frame_of,
    set_up=_set_up,
)
