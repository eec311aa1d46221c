"""Organisations that share spaces: real applications on their own databases, wired to each other in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Response, request
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import text

from federation import delivery, discovery, documents
from federation import http as wire
from federation.http import Request
from node import exchange as exchange_capability
from node import files, home, identity, relations, spaces, threads
from node.app import create_app
from node.config import Settings, new_secret_key
from node.core.capability import Capability
from node.core.clock import SetClock
from node.core.db import Base
from node.core.http.context import ground as ground_of
from node.core.http.csrf import exempt
from node.core.http.guards import OPEN_DOORS
from node.exchange import service as exchange
from node.identity.keyring import keyring_of
from node.identity.services.people import Person, Role
from node.relations.services import outside
from node.spaces.audience import Reader, audience
from node.spaces.services import reading, sharing
from node.spaces.services import spaces as use
from node.spaces.services.spaces import By
from tests.node.relations.peers import Line, Net, Peer, peered

doors = Blueprint("world", __name__)
OPEN_DOORS.update(
    {f"world.{name}": "stands in for the wire" for name in ("single", "batch", "actor", "finger")}
)


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


WIRE = Capability(name="wire", blueprints=(doors,))
CAPABILITIES = (
    exchange_capability.capability,
    identity.capability,
    relations.capability,
    spaces.capability,
    files.capability,
    threads.capability,
    home.capability,
    WIRE,
)


class House(Peer):
    """A node with its spaces, and what its people do in them."""

    def person(self, name: str, role: Role = Role.MEMBER, password: str = "") -> Person:
        """Without a password where none is needed: to hash one takes longer than a test."""
        if password:
            return super().person(name, role, password)
        return self.identity.add_person(name, role)[0]

    def by(self, person: Person) -> By:
        return By(person.id, person.actor)

    def space(self, manager: Person, name: str = "Passerelle de l’Ill") -> str:
        """The key of a new space."""
        return use.create(self.ground, self.by(manager), name)

    def iri_of(self, key: str) -> str:
        with self.ground.database.reading() as session:
            return str(
                session.execute(text("SELECT iri FROM space WHERE key = :key"), {"key": key}).scalar_one()
            )

    def key_of(self, iri: str) -> str:
        with self.ground.database.reading() as session:
            return str(
                session.execute(text("SELECT key FROM space WHERE iri = :iri"), {"iri": iri}).scalar_one()
            )

    def readers(self, iri: str) -> list[Reader]:
        with self.ground.database.reading() as session:
            number = session.execute(text("SELECT id FROM space WHERE iri = :iri"), {"iri": iri}).scalar_one()
            return list(audience(session, number).people)

    def names(self, iri: str) -> list[str]:
        return sorted(each.name for each in self.readers(iri))

    def sees(self, person: Person) -> list[str]:
        with self.ground.database.reading() as session:
            return [each.name for each in reading.of_person(session, person.id)]

    def share(self, manager: Person, key: str, other: House, past: sharing.History = "all") -> None:
        sharing.share(self.ground, self.by(manager), key, self.partner(other).key, past)
        self.deliver(other)

    def accept_space(self, admin: Person, host: House, *, accept: bool = True) -> None:
        """The newest offer, answered; then what the host says to it."""
        with self.ground.database.reading() as session:
            offer = reading.offered(session)[0]
        sharing.answer(self.ground, self.by(admin), offer.key, accept=accept)
        self.deliver(host)
        host.settle_jobs()
        host.deliver(self)

    def join(self, person: Person, iri: str, host: House) -> None:
        use.join(self.ground, self.by(person), self.key_of(iri))
        exchange_all(self, host)

    def knows(self, other: House) -> bool:
        with exchange.open_reading(self.ground) as work:
            return work.peers.of_node(other.iri) is not None

    def fact(self, query: str, **values: Any) -> Any:
        """One value of the database."""
        with self.ground.database.reading() as session:
            return session.execute(text(query), values).scalar()


def exchange_all(*houses: House) -> None:
    """Everything that waits, in all directions, until nothing waits."""
    for _ in range(3):
        for one in houses:
            for other in houses:
                if one is not other and one.knows(other):
                    one.deliver(other)


def opened(host: House, guest: House, key: str, manager: Person, admin: Person, past: Any = "all") -> str:
    """Shares a space and has it accepted; its IRI."""
    host.share(manager, key, guest, past)
    guest.accept_space(admin, host)
    return host.iri_of(key)


MakeHouse = Callable[..., House]


@pytest.fixture
def clock() -> SetClock:
    return SetClock(datetime.now(UTC).replace(microsecond=0))


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Templates compiled once, not once a node."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


class Way(Line):
    """The way out to partners too, with its bound of bytes."""

    def get(
        self, list_name: str, request: Request, *, redirects: int = 0, max_bytes: int = 0
    ) -> wire.Response:
        return self.net.send(request)


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Net:
    wired = Net()
    monkeypatch.setattr(outside, "egress_to", lambda ground, origin: Way(wired))
    monkeypatch.setattr(exchange, "egress_of", lambda ground: Way(wired))
    return wired


@pytest.fixture
def make_house(
    tmp_path: Path, clock: SetClock, net: Net, compiled: FileSystemBytecodeCache
) -> Iterator[MakeHouse]:
    made: list[House] = []

    def make(name: str, organisation: str = "", **settings: str) -> House:
        values = {
            "origin": f"http://{name}.localhost:8101",
            "organisation": organisation or name.capitalize(),
            "environment": "development",
            "data_dir": str(tmp_path / name),
            "secret_key": new_secret_key(),
            **settings,
        }
        loaded = Settings.load({f"PARVIS_{key.upper()}": value for key, value in values.items()})
        app = create_app(loaded, capabilities=CAPABILITIES, clock=clock)
        app.jinja_env.bytecode_cache = compiled
        with app.app_context():
            ground = ground_of()
        Base.metadata.create_all(ground.database.engine)
        house = House(app, ground, clock)
        house.net = net
        house.identity.initialise()
        net.nodes[house.origin] = house
        made.append(house)
        return house

    yield make
    for house in made:
        house.ground.close()


@pytest.fixture
def aubier(make_house: MakeHouse) -> House:
    return make_house("aubier")


@pytest.fixture
def nord(make_house: MakeHouse) -> House:
    return make_house("nord-acier", "Nord Acier")


@pytest.fixture
def leroux(make_house: MakeHouse) -> House:
    return make_house("leroux", "Leroux & Hart")


@pytest.fixture
def partners(aubier: House, nord: House) -> tuple[House, House]:
    """Two with an agreement."""
    peered(aubier, nord)
    return aubier, nord


__all__ = [
    "House",
    "MakeHouse",
    "Role",
    "aubier",
    "clock",
    "compiled",
    "delivery",
    "exchange_all",
    "leroux",
    "make_house",
    "net",
    "nord",
    "opened",
    "partners",
    "peered",
]
