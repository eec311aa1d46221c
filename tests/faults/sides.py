"""Nodes that share a space, made once, copied as often as needed, and run as processes that may crash."""

from __future__ import annotations

import multiprocessing
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from sqlalchemy import Connection, create_engine, text

from node.app import create_app
from node.config import Settings, new_secret_key
from node.core.clock import SystemClock
from node.core.db import Base
from node.core.http.context import ground as ground_of
from node.exchange import service as exchange
from node.relations.services import outside
from tests.faults import child
from tests.faults.child import Conditions
from tests.faults.namespaces import inside
from tests.node.relations.peers import Net, peered
from tests.node.spaces.world import House, Way, exchange_all, opened

STARTS_WITHIN_S = 60.0
AGREES_WITHIN_S = 60.0

NAMES = ("aubier", "nord-acier", "leroux")

Sides = tuple["Side", ...]
"""The host of the space, then its partners."""

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.faults.child"])
_open = build_opener(ProxyHandler({})).open


@dataclass
class Side:
    """One node: its settings, and the process that runs it under its conditions."""

    name: str
    values: dict[str, str]
    space: str
    actor: str
    under: Conditions = field(default_factory=Conditions)
    process: BaseProcess | None = None
    problem: str = ""

    @property
    def origin(self) -> str:
        return self.values["PARVIS_ORIGIN"]

    def start(self, failpoint: str = "", poison: str = "") -> None:
        """Runs the node and waits until it answers, or has crashed on the way."""
        under = replace(self.under, failpoint=failpoint, poison=poison)
        self.process = _processes.Process(target=child.run, args=(self.values, under), daemon=True)
        self.process.start()
        until = time.monotonic() + STARTS_WITHIN_S
        while self.runs and time.monotonic() < until:
            if self._ask("/health") is not None:
                return
            time.sleep(0.02)

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.is_alive()

    def crashed(self) -> int | None:
        """The exit status of the process if it has ended, and runs no more after this."""
        if self.process is None or self.process.is_alive():
            return None
        self.process.join()
        status, self.process = self.process.exitcode, None
        return status

    def act(self, name: str, words: str = "") -> str | None:
        """What the node answered to this act (`tests.faults.acts`); None when it did not."""
        form = {"act": name, "space": self.space, "actor": self.actor, "words": words}
        return self._ask("/act", urlencode(form).encode())

    def arm(self, failpoint: str) -> None:
        """The node ends as in a crash when it comes there next."""
        armed = self._ask("/arm", urlencode({"failpoint": failpoint}).encode())
        assert armed is not None, f"{self.name} does not answer: {self.problem}"

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()

    def facts(self, query: str) -> list[tuple[Any, ...]]:
        with self._database() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def change(self, statement: str) -> None:
        with self._database() as connection:
            connection.execute(text(statement))
            connection.commit()

    @contextmanager
    def _database(self) -> Iterator[Connection]:
        url = self.values["PARVIS_DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")
        engine = create_engine(url)
        with engine.connect() as connection:
            yield connection
        engine.dispose()

    def _ask(self, path: str, form: bytes | None = None) -> str | None:
        address = f"http://127.0.0.1:{self.values['PARVIS_PORT']}{path}"
        try:
            with self._near(), _open(Request(address, form), timeout=30) as answer:
                return str(answer.read().decode())
        except HTTPError as error:
            self.problem = error.read().decode()
        except (URLError, OSError, HTTPException):
            pass
        return None

    def _near(self) -> AbstractContextManager[None]:
        """Where this node's loopback is."""
        return inside(self.under.namespace) if self.under.namespace else nullcontext()


@dataclass
class Seed:
    """The nodes as they begin: values of each, the space, and who speaks."""

    folder: Path
    sides: tuple[dict[str, str], ...]
    space: str
    actors: tuple[str, ...]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def sown(folder: Path, urls: Callable[[str], str], names: Sequence[str] = NAMES[:2]) -> Seed:
    """Houses with one space, the first peered with the others: in this process, through the real handshake."""
    net, houses, sides = Net(), list[House](), list[dict[str, str]]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outside, "egress_to", lambda ground, origin: Way(net))
        patch.setattr(exchange, "egress_of", lambda ground: Way(net))
        for name in names:
            port = free_port()
            values = {
                "PARVIS_ORIGIN": f"http://{name}.localhost:{port}",
                "PARVIS_PORT": str(port),
                "PARVIS_ORGANISATION": name.title(),
                "PARVIS_ENV": "development",
                "PARVIS_DATA_DIR": str(folder / name),
                "PARVIS_DATABASE_URL": urls(name),
                "PARVIS_SECRET_KEY": new_secret_key(),
                "PARVIS_LOG_LEVEL": "ERROR",
            }
            app = create_app(Settings.load(values), capabilities=child.CAPABILITIES)
            with app.app_context():
                ground = ground_of()
            Base.metadata.create_all(ground.database.engine)
            house = House(app, ground, SystemClock())  # type: ignore[arg-type]  # a real clock: nobody moves it
            house.net = net
            house.identity.initialise()
            net.nodes[house.origin] = house
            houses.append(house)
            sides.append(values)
        space, actors = _shared(*houses)
        for house in houses:
            house.ground.close()
    return Seed(folder, tuple(sides), space, actors)


def _shared(host: House, *guests: House) -> tuple[str, tuple[str, ...]]:
    """The space, and one of its members at each house."""
    manager = host.person("Inès Le Goff")
    key, actors = host.space(manager), [manager.actor]
    for guest in guests:
        peered(host, guest)
        member = guest.person("Marie Lenoir")
        space = opened(host, guest, key, manager, member)
        guest.join(member, space, host)
        actors.append(member.actor)
    exchange_all(host, *guests)
    return host.iri_of(key), tuple(actors)


def sown_on_sqlite(folder: Path, names: Sequence[str] = NAMES[:2]) -> Seed:
    return sown(folder, lambda name: f"sqlite:///{folder / name / 'parvis.db'}", names)


@contextmanager
def sides_of(seed: Seed, placed: Callable[[dict[str, str]], dict[str, str]]) -> Iterator[Sides]:
    """All sides, not started yet, where `placed` has copied them to; in the end they are stopped."""
    sides = tuple(
        Side(name, placed(values), seed.space, actor)
        for name, values, actor in zip(("host", "guest", "third"), seed.sides, seed.actors, strict=False)
    )
    try:
        yield sides
    finally:
        for side in sides:
            side.stop()


@contextmanager
def copied(seed: Seed, folder: Path) -> Iterator[Sides]:
    """All sides of a seed on SQLite, copied into a folder."""

    def placed(values: dict[str, str]) -> dict[str, str]:
        name = Path(values["PARVIS_DATA_DIR"]).name
        shutil.copytree(seed.folder / name, folder / name, ignore=shutil.ignore_patterns("*.wake"))
        database = f"sqlite:///{folder / name / 'parvis.db'}"
        return {**values, "PARVIS_DATA_DIR": str(folder / name), "PARVIS_DATABASE_URL": database}

    with sides_of(seed, placed) as sides:
        yield sides
