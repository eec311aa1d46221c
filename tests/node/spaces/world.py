"""Organisations that share spaces: real applications on their own databases, wired to each other in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import text
from werkzeug.test import Client

from federation import delivery
from federation import http as wire
from federation.adapters.egress import Egress
from federation.errors import Unreachable
from federation.http import Request
from node import exchange as exchange_capability
from node import files, home, identity, provider, relations, replicas, retention, spaces, threads, visitors
from node import wire as wire_capability
from node.app import create_app
from node.config import Settings, new_secret_key
from node.core.clock import SetClock
from node.core.db import Base
from node.core.http.context import ground as ground_of
from node.exchange import service as exchange
from node.identity.services.people import Person, Role
from node.relations.services import outside
from node.spaces.audience import Reader, audience
from node.spaces.services import reading, sharing
from node.spaces.services import spaces as use
from node.spaces.services.spaces import By
from tests.node.relations.peers import Line, Net, Peer, peered

CAPABILITIES = (
    exchange_capability.capability,
    identity.capability,
    relations.capability,
    visitors.capability,
    spaces.capability,
    files.capability,
    threads.capability,
    retention.capability,
    replicas.capability,
    provider.capability,
    home.capability,
    wire_capability.capability,
)


class House(Peer):
    """A node with its spaces, and what its people do in them."""

    def person(self, name: str, role: Role = Role.MEMBER, password: str = "") -> Person:
        """Without a password where none is needed: to hash one takes longer than a test."""
        if password:
            return super().person(name, role, password)
        return self.identity.add_person(name, role)[0]

    def by(self, person: Person) -> By:
        return By(person.actor)

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
            return list(audience(session, self.ground, number).people)

    def names(self, iri: str) -> list[str]:
        return sorted(each.name for each in self.readers(iri))

    def sees(self, person: Person) -> list[str]:
        with self.ground.database.reading() as session:
            return [each.name for each in reading.of_person(session, person.actor)]

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
                    verdict = one.deliver(other)
                    assert isinstance(verdict, delivery.Delivered), verdict


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

    def post(self, list_name: str, request: Request) -> wire.Response:
        return self.net.send(request)


class Wires(Net):
    """The wire between nodes, which closes what it was answered, as a server does."""

    def send(self, request: Request) -> wire.Response:
        origin = "/".join(request.url.split("/", 3)[:3])
        if origin in self.down or origin not in self.nodes:
            raise Unreachable(f"{origin} takes no connection.")
        client = Client(self.nodes[origin].app)
        headers = list(request.headers)
        answer = client.open(
            request.url.removeprefix(origin),
            base_url=origin,
            method=request.method,
            headers=headers,
            data=request.body,
        )
        try:
            body = answer.get_data()
        finally:
            answer.close()
        response = wire.Response(answer.status_code, wire.Headers(list(answer.headers)), body)
        if request.method == "POST":
            self.heard.append((origin, request, response))
        return response


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Net:
    wired = Wires()
    monkeypatch.setattr(outside, "egress_to", lambda ground, origin: Way(wired))
    return wired


def built(
    origin: str,
    organisation: str,
    clock: SetClock,
    net: Net,
    compiled: FileSystemBytecodeCache,
    **settings: str,
) -> House:
    """A node at `origin`, on a fresh database and on this net. Whoever asked for it closes it."""
    values = {
        "origin": origin,
        "organisation": organisation,
        "environment": "development",
        "secret_key": new_secret_key(),
        **settings,
    }
    loaded = Settings.load({f"PARVIS_{key.upper()}": value for key, value in values.items()})
    app = create_app(loaded, capabilities=CAPABILITIES, clock=clock)
    app.jinja_env.bytecode_cache = compiled
    with app.app_context():
        ground = ground_of()
    handle = exchange._handle(ground)
    exchange._handles[ground.database] = replace(handle, egress=cast("Egress", Way(net)))
    Base.metadata.create_all(ground.database.engine)
    house = House(app, ground, clock)
    house.net = net
    house.identity.initialise()
    net.nodes[house.origin] = house
    return house


@pytest.fixture
def make_house(
    tmp_path: Path, clock: SetClock, net: Net, compiled: FileSystemBytecodeCache
) -> Iterator[MakeHouse]:
    made: list[House] = []

    def make(name: str, organisation: str = "", **settings: str) -> House:
        own = {"data_dir": str(tmp_path / name), **settings}
        origin, called = f"http://{name}.localhost:8101", organisation or name.capitalize()
        made.append(built(origin, called, clock, net, compiled, **own))
        return made[-1]

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
    "built",
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
