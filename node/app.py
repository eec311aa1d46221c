"""The application of one organisation: hangs the doors in the order in which a request passes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from flask import Blueprint, Flask

from node.capabilities import CAPABILITIES
from node.config import Settings
from node.core import i18n, log
from node.core.capability import Background, Capability
from node.core.clock import Clock
from node.core.ground import Ground
from node.core.http import context, csrf, guards, headers, health, limits, problems, rendering, routing
from node.core.http.api import Api
from node.core.http.api import Blueprint as ApiBlueprint
from node.core.http.forwarded import forwarded
from node.core.http.shown import Frame, Org, Person

MAX_FORM_BYTES = 1024 * 1024
MAX_FORM_PARTS = 200
LEFT_COLUMN = ("home", "spaces", "relations", "people", "audit")
"""Names of its entries, from the top: every day first, what administrators need last."""


def create_app(
    settings: Settings,
    *,
    capabilities: Iterable[Capability] = CAPABILITIES,
    clock: Clock | None = None,
) -> Flask:
    """A WSGI application for `settings`. Opens nothing and starts no thread before it is asked."""
    capabilities = tuple(capabilities)
    app = Flask("node", static_folder="static", static_url_path="/static")
    app.config.update(
        DEBUG=settings.debug,
        SECRET_KEY=None,  # no use of Flask's client-side session: DECISIONS 12
        PREFERRED_URL_SCHEME=settings.origin.partition(":")[0],
        PROVIDE_AUTOMATIC_OPTIONS=False,
        MAX_CONTENT_LENGTH=settings.max_file_bytes + MAX_FORM_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_FORM_BYTES,
        MAX_FORM_PARTS=MAX_FORM_PARTS,
    )
    if settings.proxies:
        app.wsgi_app = forwarded(app.wsgi_app, settings.proxies)  # type: ignore[method-assign, assignment]
    log.configure(settings)

    ground = Ground.laid(settings, ports=_ports(capabilities), clock=clock)
    context.lay(app, ground)
    ground.jobs.register((job for each in capabilities for job in each.jobs), ground)

    routing.install(app)
    guards.install_loading(app)
    limits.install(app, settings, ground.audit)
    guards.install(app)
    csrf.install(app)
    i18n.install(app, settings)
    rendering.install(
        app,
        frame=lambda: _frame(settings, capabilities),
        csrf_token=csrf.token,
        now=ground.clock.now,
    )
    headers.install(app, secure=settings.origin.startswith("https:"))
    api = Api(app)
    problems.install(app)

    app.register_blueprint(health.blueprint)
    for capability in capabilities:
        if capability.set_up is not None:
            capability.set_up(app, ground)
        for blueprint in capability.blueprints:
            _hang(app, api, blueprint)
    return app


def background_of(app: Flask, capabilities: Iterable[Capability] = CAPABILITIES) -> list[Background]:
    """What delivers and works off jobs, not started yet: lanes first, then the queue."""
    with app.app_context():
        ground = context.ground()
    made = [factory(ground) for capability in capabilities for factory in capability.background]
    return [*made, ground.jobs]


def _ports(capabilities: tuple[Capability, ...]) -> dict[str, Any]:
    ports: dict[str, Any] = {}
    for capability in capabilities:
        for name, factory in capability.ports.items():
            if name in ports:
                raise ValueError(f"Two capabilities answer the port {name}; the second is {capability.name}.")
            ports[name] = factory
    return ports


def _hang(app: Flask, api: Api, blueprint: Blueprint) -> None:
    if isinstance(blueprint, ApiBlueprint):
        api.register_blueprint(blueprint)
    else:
        app.register_blueprint(blueprint)


def _frame(settings: Settings, capabilities: tuple[Capability, ...]) -> Frame:
    house = Org(settings.organisation, ours=True)
    frame = Frame(house=house, domain=settings.origin.partition("://")[2])
    who = guards.viewer_or_none()
    if who is None:
        return frame
    navigation = sorted(
        (item for each in capabilities if each.navigation is not None for item in each.navigation(who)),
        key=lambda item: (*LEFT_COLUMN, item.name).index(item.name),
    )
    frame = replace(frame, me=Person(who.name, house), nav=navigation)
    for each in capabilities:
        if each.frame is not None:
            frame = replace(frame, **each.frame(who))
    return frame
