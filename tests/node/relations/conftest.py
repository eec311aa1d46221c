"""Two nodes on one wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Response, request
from jinja2 import FileSystemBytecodeCache

from federation import discovery, documents
from federation import http as wire
from node.app import create_app
from node.config import Settings, new_secret_key
from node.core.capability import Capability
from node.core.clock import SetClock
from node.core.db import Base
from node.core.http.context import ground as ground_of
from node.core.http.csrf import exempt
from node.core.http.guards import OPEN_DOORS
from node.exchange import capability as exchange_capability
from node.exchange import service as exchange
from node.identity import capability as identity
from node.identity.keyring import keyring_of
from node.relations import capability as relations
from node.relations.services import outside
from tests.node.relations.peers import Line, Net, Peer

MakePeer = Callable[..., Peer]

doors = Blueprint("test_doors", __name__)


@doors.post("/actor/inbox")
@exempt
def single() -> Response:
    return _answered(exchange.federation_of(ground_of()).receive_single(_received()))


@doors.post("/exchange")
@exempt
def batch() -> Response:
    return _answered(exchange.federation_of(ground_of()).receive_batch(_received()))


@doors.get("/actor")
def actor() -> Response:
    ground = ground_of()
    settings = exchange.settings_of(ground)
    with ground.database.reading() as session:
        key = keyring_of(ground).public_key(session, settings.node)
    return _json(discovery.node_actor(settings, [key]), discovery.ACTIVITY_TYPE)


@doors.get("/.well-known/webfinger")
def finger() -> Response:
    return _json(discovery.node_jrd(exchange.settings_of(ground_of())), discovery.JRD_TYPE)


def _json(document: dict[str, Any], kind: str) -> Response:
    return Response(documents.dumps(document), content_type=kind)


def _received() -> wire.Request:
    url = ground_of().settings.origin + request.full_path.rstrip("?")
    return wire.Request(request.method, url, wire.Headers(list(request.headers)), request.get_data())


def _answered(response: wire.Response) -> Response:
    return Response(response.body, response.status, list(response.headers))


STAND_IN = Capability(name="test_doors", blueprints=(doors,))


@pytest.fixture
def clock() -> SetClock:
    return SetClock(datetime.now(UTC).replace(microsecond=0))


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Templates compiled once, not once a node."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Net:
    wired = Net()
    monkeypatch.setattr(outside, "egress_to", lambda ground, origin: Line(wired))
    for name in ("single", "batch", "actor", "finger"):
        monkeypatch.setitem(OPEN_DOORS, f"test_doors.{name}", "stands in for the wire")
    return wired


@pytest.fixture
def make_peer(
    tmp_path: Path, clock: SetClock, net: Net, compiled: FileSystemBytecodeCache
) -> Iterator[MakePeer]:
    made: list[Peer] = []

    def make(name: str, organisation: str = "", **settings: str) -> Peer:
        values = {
            "origin": f"http://{name}.localhost:8101",
            "organisation": organisation or name.capitalize(),
            "environment": "development",
            "data_dir": str(tmp_path / name),
            "secret_key": new_secret_key(),
            **settings,
        }
        loaded = Settings.load({f"PARVIS_{key.upper()}": value for key, value in values.items()})
        app = create_app(
            loaded, capabilities=(exchange_capability, identity, relations, STAND_IN), clock=clock
        )
        app.jinja_env.bytecode_cache = compiled
        with app.app_context():
            ground = ground_of()
        Base.metadata.create_all(ground.database.engine)
        peer = Peer(app, ground, clock)
        peer.net = net
        peer.identity.initialise()
        net.nodes[peer.origin] = peer
        made.append(peer)
        return peer

    yield make
    for peer in made:
        peer.ground.close()


@pytest.fixture
def aubier(make_peer: MakePeer) -> Peer:
    """The one that invites."""
    return make_peer("aubier")


@pytest.fixture
def nord(make_peer: MakePeer) -> Peer:
    """The one that is invited."""
    return make_peer("nord-acier", "Nord Acier")
