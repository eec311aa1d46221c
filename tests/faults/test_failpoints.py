"""A crash between every two steps: nothing lost, nothing doubled, both sides alike (RELIABILITY, R2).

`make faults` crashes the nodes twenty times at each of these instants.
"""

from __future__ import annotations

import pytest

from tests.faults.play import FURTHER, SCENES, Play
from tests.faults.sides import Sides

GROUPS = [list(SCENES)[first : first + 14] for first in range(0, len(SCENES), 14)]
ON_POSTGRESQL = ("log.flushed", "inbox.line-taken", "inbox.committed", "lane.sent", "receipt.taken")


@pytest.mark.parametrize("names", GROUPS, ids=lambda names: f"{names[0]} to {names[-1]}")
def test_a_crash_loses_and_doubles_nothing(sqlite_pair: Sides, names: list[str]) -> None:
    play = Play(sqlite_pair)
    play.start()
    for name in names:
        play.crash(name, SCENES[name])


def test_nor_does_a_crash_on_another_way(sqlite_pair: Sides) -> None:
    play = Play(sqlite_pair)
    play.start()
    for failpoint, scene in FURTHER.values():
        if not scene.last:
            play.crash(failpoint, scene)


@pytest.mark.parametrize("way", [way for way, (_, scene) in FURTHER.items() if scene.last])
def test_nor_does_a_crash_while_a_relation_ends(sqlite_pair: Sides, way: str) -> None:
    play = Play(sqlite_pair)
    play.start()
    play.crash(*FURTHER[way])


@pytest.mark.postgresql
def test_nor_does_a_crash_on_postgresql(postgresql_pair: Sides) -> None:
    play = Play(postgresql_pair)
    play.start()
    for name in ON_POSTGRESQL:
        play.crash(name, SCENES[name])
