"""Two nodes like the demo's, over TLS: Aubier hosts a space, Nord Acier is in it. Real processes, real sockets."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node.cli.demo import scene
from node.cli.demo.houses import House, built
from node.cli.demo.nodes import end_all, free_ports, local_egress, start_all
from node.cli.demo.story import Organisation, Person
from tests.benchmarks import meter
from tests.benchmarks.authority import Authority
from tests.benchmarks.databases import Databases
from tests.benchmarks.watching import Watcher
from tests.benchmarks.wire import Line

SENDERS = 8
SPACE, TITLE = "Banc d’essai", "Mesures"
TEXT_CHARS = 300  # as the comparison with Synapse sends (PERFORMANCE 3)
PERSON_RATE = "10000"  # the machine is measured, not what one person may ask of it (300/s)

_FILLER = "Les appuis sont posés, la pente du tablier est vérifiée au niveau laser, rien à signaler. "

SENDER = Organisation(
    "aubier",
    "Aubier",
    "fr",
    0,
    (
        Person("camille", "Camille Roussel", is_admin=True),
        *(Person(f"s{n}", f"Sender {n}") for n in range(SENDERS)),
    ),
)
RECEIVER = Organisation("nord-acier", "Nord Acier", "fr", 0, (Person("yann", "Yann Duthoit", is_admin=True),))


@dataclass(slots=True)
class Pair:
    """The two houses, the space in both, and what has been sent."""

    folder: Path
    authority: Authority
    databases: Databases
    sender: House
    receiver: House
    space: dict[str, str] = field(default_factory=dict)
    """Slug of the organisation -> key of the space there."""
    thread: dict[str, str] = field(default_factory=dict)
    cursors: dict[str, str] = field(default_factory=dict)
    """How far somebody has read there, so that the next reader need not begin at the beginning."""
    sent: int = 0
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def line(self, house: House, handle: str) -> Line:
        """A connection of that person to the own node."""
        return Line(house.node.origin, house.voices[handle].token, self.authority.ca_file)

    def sending_lines(self, count: int) -> list[Line]:
        """Connections of so many people of the sending house."""
        return [self.line(self.sender, f"s{number % SENDERS}") for number in range(count)]

    def post(self, line: Line, house: House | None = None) -> str:
        """Posts a reply of 300 characters; the IRI of the post."""
        number = next(self._numbers)
        text = f"{number}. {_FILLER * 4}"[:TEXT_CHARS]
        thread = self.thread[(house or self.sender).organisation.slug]
        answer = line.post(f"/threads/{thread}/posts", {"text": text, "lang": "fr"})
        with self._counting:
            self.sent += 1
        return str(answer["id"])

    @contextmanager
    def watcher(
        self, house: House, handle: str, counts: Callable[[dict[str, Any]], bool] = lambda _: True
    ) -> Iterator[Watcher]:
        """Somebody who reads the space at that house, until the block ends."""
        path = f"/spaces/{self.space[house.organisation.slug]}/live"
        slug = house.organisation.slug
        watcher = Watcher(self.line(house, handle), path, counts, self.cursors.get(slug, "0.0"))
        watcher.start()
        try:
            yield watcher
        finally:
            watcher.stop()
            self.cursors[slug] = watcher.cursor

    def cpu(self) -> Cpu:
        """CPU seconds so far."""
        return Cpu(
            meter.cpu_s(self.sender.node.pids()),
            meter.cpu_s(self.receiver.node.pids()),
            time.process_time(),
            self.databases.cpu_s(),
        )


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds of the sending node, the receiving node, the client and a database server."""

    sender: float
    receiver: float
    client: float
    database: float

    def since(self, earlier: Cpu, messages: int) -> Cpu:
        """Milliseconds per message since then."""
        per = 1000 / messages
        return Cpu(
            (self.sender - earlier.sender) * per,
            (self.receiver - earlier.receiver) * per,
            (self.client - earlier.client) * per,
            (self.database - earlier.database) * per,
        )


@contextmanager
def running(folder: Path, databases: Databases, say: Callable[[str], None]) -> Iterator[Pair]:
    """Makes, starts, peers and furnishes both; ends every process afterwards."""
    authority = Authority(folder / "tls")
    egress = local_egress(str(authority.ca_file))
    houses: list[House] = []
    try:
        for organisation, port in zip((SENDER, RECEIVER), free_ports(2), strict=True):
            certificate = authority.certificate(f"{organisation.slug}.localhost")
            settings = {
                "tls_cert_file": str(certificate.chain),
                "tls_key_file": str(certificate.key),
                "ca_file": str(authority.ca_file),
                "log_level": "WARNING",
                "person_rate": PERSON_RATE,
                **databases.settings(organisation.slug),
            }
            houses.append(
                built(
                    organisation,
                    folder / organisation.slug,
                    port,
                    egress,
                    password="passerelle-du-banc",
                    scheme="https",
                    settings=settings,
                )
            )
        say("Both are made.")
        start_all(house.node for house in houses)
        sender, receiver = houses
        pair = Pair(folder, authority, databases, sender, receiver)
        say("Both answer.")
        scene.peer(sender, receiver)
        say("They are peered.")
        yield pair
    finally:
        end_all(house.node for house in houses)


def furnish(pair: Pair) -> None:
    """Opens the space, shares it, lets everybody in, begins the thread."""
    space = scene.open_space(pair.sender, SPACE, "Mesures")
    scene.share(pair.sender, space, pair.receiver)
    pair.space = {SENDER.slug: space, RECEIVER.slug: scene.enter(pair.receiver, SPACE)}
    begun = pair.sender.admin.post(f"/spaces/{space}/threads", title=TITLE, text="Début.", lang="fr")
    pair.thread[SENDER.slug] = begun["thread"]
    there = pair.space[RECEIVER.slug]
    pair.thread[RECEIVER.slug] = scene.thread_titled(pair.receiver.admin, there, TITLE)


def drive(lines: Sequence[Line], count: int, send: Callable[[int, Line], None]) -> None:
    """`count` calls of `send` shared out to a thread for each line, as fast as they come back; the first
    exception of any is raised here.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(count):
        waiting.put(number)
    failures: list[BaseException] = []

    def run(line: Line) -> None:
        try:
            while not failures:
                send(waiting.get_nowait(), line)
        except queue.Empty:
            pass
        except BaseException as failure:  # noqa: BLE001 -- a thread's boundary: raised again below
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(line,), daemon=True) for line in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
