"""Two nodes on one wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jinja2 import FileSystemBytecodeCache

from node.app import create_app
from node.config import Settings, new_secret_key
from node.core.capability import Capability
from node.core.clock import SetClock
from node.core.db import Base
from node.core.http.context import ground as ground_of
from node.exchange import capability as exchange
from node.identity import capability as identity
from node.relations import capability as relations
from node.relations.services import outside
from node.wire import capability as wire
from tests.node.relations.peers import Line, Net, Peer

MakePeer = Callable[..., Peer]


class NoSpaces:
    """Answers the one question about spaces that relations lead to: here there are none."""

    def hosted_with(self, node: str) -> tuple[str, ...]:
        return ()


NO_SPACES = Capability(name="no-spaces", ports={"spaces": lambda _session, _ground: NoSpaces()})


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
        app = create_app(loaded, capabilities=(exchange, identity, relations, NO_SPACES, wire), clock=clock)
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
