"""Crashes by the hundred: round after round through every named instant, in processes of their own.

A round goes on with the same two nodes from crash to crash, as an evening of bad luck would; only what ends a
relation, and what has broken, takes the prepared databases anew.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.play import FURTHER, SCENES, Play, Scene
from tests.faults.postgresql import copied_on_postgresql, sown_on_postgresql
from tests.faults.sides import Sides, copied, sown_on_sqlite

Wanted = tuple[str, str, Scene]
Copies = Callable[[Path], AbstractContextManager[Sides]]

WANTED: tuple[Wanted, ...] = (
    *((name, name, scene) for name, scene in SCENES.items()),
    *((title, *way) for title, way in FURTHER.items()),
)


ON_POSTGRESQL = tuple(each for each in WANTED if not each[2].restored)
"""Backups are restored on SQLite alone."""


@dataclass(frozen=True, slots=True)
class Round:
    """Every crash once, in an order of its own, until then at most; on this PostgreSQL, or on SQLite."""

    seed: int
    until: float
    server: str = ""


@dataclass
class Found:
    """How often each crash was seen to do no harm, which did, and the seconds of all."""

    done: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0


def run(wished: Round) -> Found:
    """One round, while there is time."""
    found, begun = Found(), time.monotonic()
    wanted = [*(ON_POSTGRESQL if wished.server else WANTED)]
    random.Random(wished.seed).shuffle(wanted)
    wanted.sort(key=lambda each: each[2].last)
    with folders() as folder:
        copies = _copies(folder(), wished.server) if time.time() < wished.until else None
        while copies and wanted and time.time() < wished.until:
            with copies(folder()) as sides:
                _go_on(Play(sides), wanted, wished.until, found)
    found.seconds = time.monotonic() - begun
    return found


def _go_on(play: Play, wanted: list[Wanted], until: float, found: Found) -> None:
    """Takes from what is wanted, to the first that breaks or ends the relation."""
    play.start()
    while wanted and time.time() < until:
        title, failpoint, scene = wanted.pop(0)
        try:
            play.crash(failpoint, scene)
        except AssertionError as error:
            found.broken.append(f"{title}: {error}"[:500])
            return
        found.done[title] += 1
        if scene.last:
            return


def _copies(folder: Path, server: str) -> Copies:
    """Makes the nodes once; each call copies them."""
    if server:
        on_server = sown_on_postgresql(server, folder)
        return lambda place: copied_on_postgresql(on_server, server, place)
    on_disk = sown_on_sqlite(folder)
    return lambda place: copied(on_disk, place)


@contextmanager
def folders() -> Iterator[Callable[[], Path]]:
    with tempfile.TemporaryDirectory(prefix="faults-") as place:
        yield lambda: Path(tempfile.mkdtemp(dir=place))
