"""Crashes by the dozen, in a process of their own."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults.play import Broken, Play, Scene
from tests.faults.sides import copied, sown_on_sqlite


def run(work: tuple[Sequence[tuple[str, str, Scene]], int, float]) -> dict[str, Any]:
    """Each of these so many times, in this process, on pairs of its own."""
    wanted, times, until = work
    done, broken = dict[str, int](), list[str]()
    with folders() as folder:
        seed = sown_on_sqlite(folder() / "seed")
        for title, failpoint, scene in wanted:
            done[title] = 0
            left = times
            while left and time.time() < until:
                with copied(seed, folder()) as pair:
                    play = Play(pair)
                    play.start()
                    while left and time.time() < until:
                        left -= 1
                        try:
                            play.crash(failpoint, scene)
                        except Broken as error:
                            broken.append(f"{title}: {error}"[:500])
                            break
                        done[title] += 1
                        if scene.last:
                            break
    return {"done": done, "broken": broken}


@contextmanager
def folders() -> Iterator[Callable[[], Path]]:
    with tempfile.TemporaryDirectory(prefix="faults-") as place:
        yield lambda: Path(tempfile.mkdtemp(dir=place))
