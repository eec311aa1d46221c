"""A node in a process of its own: its real doors, walks and lanes, and a door through which it is told what to do."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Blueprint, Response, request
from flask_smorest import Blueprint as ForPrograms
from werkzeug.serving import WSGIRequestHandler, make_server

from federation.adapters.egress import Egress
from federation.ports import Effect
from node import exchange, files, identity, relations, replicas, retention, spaces, threads, wire
from node.app import background_of, create_app
from node.config import Settings
from node.core import failpoints
from node.core.capability import Capability
from node.core.http import limits
from node.core.http.context import ground
from node.core.http.csrf import exempt
from node.core.http.guards import OPEN_DOORS
from node.threads.ports import Objects
from tests.faults import acts, namespaces

doors = Blueprint("faults", __name__)


@doors.post("/act")
@exempt
def act() -> Response:
    """Does the act named in the form; 200 and what it answers once it is done."""
    form = request.form
    done = acts.BY_NAME[form["act"]](acts.Scene(ground(), form["space"], form["actor"]), form["words"])
    return Response(done)


@doors.post("/arm")
@exempt
def arm() -> Response:
    """From now on the process ends when it comes to this failpoint."""
    failpoints.arm(request.form["failpoint"])
    return Response("armed")


def _without_programs(each: Capability) -> Capability:
    """Without its doors for programs: their OpenAPI document would be half of what a start costs."""
    pages = tuple(one for one in each.blueprints if not isinstance(one, ForPrograms))
    return replace(each, blueprints=pages)


CAPABILITIES = (
    *(
        _without_programs(each.capability)
        for each in (exchange, identity, relations, spaces, files, threads, retention, replicas, wire)
    ),
    Capability(name="faults", blueprints=(doors,)),
)


class Quiet(WSGIRequestHandler):
    """Keeps connections, and keeps quiet."""

    protocol_version = "HTTP/1.1"

    def log_request(self, *_: Any, **__: Any) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is done to a node: where it ends (`name:count`), and the word of posts that it cannot store.

    `namespace` is the path of the one it runs in, `addresses` what the names of all nodes mean there.
    """

    failpoint: str = ""
    poison: str = ""
    namespace: str = ""
    addresses: Mapping[str, str] = field(default_factory=dict)


def run(values: dict[str, str], under: Conditions) -> None:
    """Serves and delivers until it is killed, or until it comes to its failpoint."""
    if under.namespace:
        namespaces.enter(under.namespace)
        _name(under.addresses)
    if under.poison:
        _break(under.poison)
    failpoints.arm(under.failpoint)
    OPEN_DOORS["faults.act"] = OPEN_DOORS["faults.arm"] = "stands in for a person"
    limits.FREE |= {doors.name}
    settings = Settings.load(values)
    app = create_app(settings, capabilities=CAPABILITIES)
    bind = "0.0.0.0" if under.namespace else settings.bind
    server = make_server(bind, settings.port, app, threaded=True, request_handler=Quiet)
    for each in background_of(app, CAPABILITIES)[:-1]:  # all but the queue
        each.start()
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    server.serve_forever(poll_interval=0.05)


def _name(addresses: Mapping[str, str]) -> None:
    Egress._addresses = lambda self, target, until: (addresses[target.host],)  # type: ignore[method-assign]


def _break(poison: str) -> None:
    plain = Objects.create

    def create(self: Objects, effect: Effect) -> None:
        if effect.space.hosted and poison in str(effect.activity.document):
            raise RuntimeError("a bug of ours")
        plain(self, effect)

    Objects.create = create  # type: ignore[method-assign]


def _end_with(parent: int) -> None:
    """No orphan stays behind when the tests are killed."""
    waiting = threading.Event()
    while os.getppid() == parent:
        waiting.wait(1)
    os._exit(1)
