"""Two nodes that share a space, made once, copied for each test, and run as processes that may crash."""

from __future__ import annotations

import multiprocessing
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from urllib.error import URLError
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
from tests.node.exchange.talk import begin
from tests.node.relations.peers import Net, peered
from tests.node.spaces.world import House, Way

STARTS_WITHIN_S = 20.0
AGREES_WITHIN_S = 40.0

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.faults.child"])
_open = build_opener(ProxyHandler({})).open


@dataclass
class Side:
    """One node: its settings, and the process that runs it."""

    name: str
    values: dict[str, str]
    space: str
    actor: str
    process: BaseProcess | None = None
    crashes: list[int] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return self.values["PARVIS_ORIGIN"]

    def start(self, failpoint: str = "", poison: str = "") -> None:
        """Runs the node and waits until it answers, or has crashed on the way."""
        self.process = _processes.Process(
            target=child.run, args=(self.values, failpoint, poison), daemon=True
        )
        self.process.start()
        until = time.monotonic() + STARTS_WITHIN_S
        while self.runs and time.monotonic() < until:
            if self._ask("/health"):
                return
            time.sleep(0.02)

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.is_alive()

    def say(self, words: str) -> bool:
        """True when the node answered that it is said."""
        form = {"space": self.space, "actor": self.actor, "words": words}
        return self._ask("/say", urlencode(form).encode())

    def retry(self) -> bool:
        """True when the node has tried its held lines."""
        return self._ask("/retry", b"now=")

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

    def _ask(self, path: str, form: bytes | None = None) -> bool:
        address = f"http://127.0.0.1:{self.values['PARVIS_PORT']}{path}"
        try:
            with _open(Request(address, form), timeout=10) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


@dataclass
class Seed:
    """The two nodes as they begin: values of both, the space, and who speaks."""

    folder: Path
    sides: tuple[dict[str, str], dict[str, str]]
    space: str
    actors: tuple[str, str]


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _sown(folder: Path, urls: Callable[[str], str]) -> Seed:
    """Two houses, peered, with one space: in this process, through the real handshake."""
    net, houses, sides = Net(), [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outside, "egress_to", lambda ground, origin: Way(net))
        patch.setattr(exchange, "egress_of", lambda ground: Way(net))
        for name in ("aubier", "nord-acier"):
            port = _free_port()
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
        peered(*houses)
        talk = begin(*houses)
        for house in houses:
            house.ground.close()
    return Seed(folder, (sides[0], sides[1]), talk.space, (talk.ines.actor, talk.marie.actor))


@pytest.fixture(scope="session")
def sqlite_seed(tmp_path_factory: pytest.TempPathFactory) -> Seed:
    folder = tmp_path_factory.mktemp("seed")
    return _sown(folder, lambda name: f"sqlite:///{folder / name / 'parvis.db'}")


@pytest.fixture
def sqlite_pair(sqlite_seed: Seed, tmp_path: Path) -> Iterator[tuple[Side, Side]]:
    def placed(values: dict[str, str]) -> dict[str, str]:
        name = Path(values["PARVIS_DATA_DIR"]).name
        shutil.copytree(sqlite_seed.folder / name, tmp_path / name, ignore=shutil.ignore_patterns("*.wake"))
        database = f"sqlite:///{tmp_path / name / 'parvis.db'}"
        return {**values, "PARVIS_DATA_DIR": str(tmp_path / name), "PARVIS_DATABASE_URL": database}

    yield from _pair(sqlite_seed, placed)


def _sql(url: str, *statements: str) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def _named(server: str, name: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(server).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgresql_seed(postgresql_server: str, tmp_path_factory: pytest.TempPathFactory) -> Seed:
    names = {name: f"seed_{uuid.uuid4().hex[:8]}" for name in ("aubier", "nord-acier")}
    _sql(postgresql_server, *(f"CREATE DATABASE {name}" for name in names.values()))
    return _sown(tmp_path_factory.mktemp("seed"), lambda name: _named(postgresql_server, names[name]))


@pytest.fixture
def postgresql_pair(
    postgresql_seed: Seed, postgresql_server: str, tmp_path: Path
) -> Iterator[tuple[Side, Side]]:
    made: list[str] = []

    def placed(values: dict[str, str]) -> dict[str, str]:
        seed = values["PARVIS_DATABASE_URL"].rpartition("/")[2].partition("?")[0]
        made.append(f"copy_{uuid.uuid4().hex[:8]}")
        _sql(postgresql_server, f"CREATE DATABASE {made[-1]} TEMPLATE {seed}")
        folder = tmp_path / Path(values["PARVIS_DATA_DIR"]).name
        url = _named(postgresql_server, made[-1])
        return {**values, "PARVIS_DATA_DIR": str(folder), "PARVIS_DATABASE_URL": url}

    yield from _pair(postgresql_seed, placed)
    _sql(postgresql_server, *(f"DROP DATABASE {name} WITH (FORCE)" for name in made))


def _pair(seed: Seed, placed: Callable[[dict[str, str]], dict[str, str]]) -> Iterator[tuple[Side, Side]]:
    host, guest = (
        Side(name, placed(values), seed.space, actor)
        for name, values, actor in zip(("host", "guest"), seed.sides, seed.actors, strict=True)
    )
    yield host, guest
    for side in (host, guest):
        side.stop()
