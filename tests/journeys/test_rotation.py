"""The key of a node changes while three real nodes talk: nothing is lost, nothing is doubled, nobody waits."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from threading import Event, Thread

import pytest

from node.cli.demo import scene
from node.cli.demo.houses import House
from node.cli.demo.story import AUBIER, ORGANISATIONS
from tests.nodes import MakeNodes

pytestmark = pytest.mark.slow

SAID = 12
"""Posts of each house before, during and after each change."""


def parvis(house: House, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "node.cli", *arguments],
        env=house.node.environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def signs(house: House) -> str:
    """The id of the key that signs, as the door of scripts says it."""
    key: str = house.admin.get("/keys")[0]["id"]
    return key


def rotated(house: House) -> float:
    """Changes the key of the node; how many seconds until the new one signs."""
    former, begun = signs(house), time.monotonic()
    parvis(house, "keys", "rotate")
    scene.until("The change of the key", lambda: signs(house) != former, 90)
    return time.monotonic() - begun


class Talk:
    """Every house says something again and again, until it is told to stop."""

    def __init__(self, houses: Sequence[House], keys: dict[str, str]) -> None:
        self.said = 0
        self.slowest_s = 0.0
        self._end = Event()
        self._threads = [
            Thread(target=self._talk, args=(house, keys[house.organisation.slug])) for house in houses
        ]
        for thread in self._threads:
            thread.start()

    def _talk(self, house: House, space: str) -> None:
        number = 0
        while not self._end.is_set():
            begun = time.monotonic()
            scene.say_something(house, space, f"{house.name} {number}")
            self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
            number += 1
            self.said += 1
            self._end.wait(0.2)

    def goes_on(self) -> None:
        """Waits for more posts."""
        said = self.said
        scene.until("More posts", lambda: self.said >= said + SAID, 60)

    def stop(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()


def test_nothing_is_lost_while_keys_change(nodes: MakeNodes) -> None:
    houses = nodes(*ORGANISATIONS)
    aubier, *partners = houses
    keys = scene.play(houses, print)
    space = keys[AUBIER.slug]
    before = len(scene.posts_of(aubier, space))
    talk = Talk(houses, keys)
    took = {}
    try:
        # A guest, whom the other guest knows through the host alone; then the host.
        for house in (partners[0], aubier):
            took[house.name] = rotated(house)
            talk.goes_on()
    finally:
        talk.stop()
    everybody = [keys[house.organisation.slug] for house in houses]

    def settled() -> bool:
        found = [scene.posts_of(house, key) for house, key in zip(houses, everybody, strict=True)]
        ids = [{post["id"] for post in posts} for posts in found]
        return (
            all(len(posts) == before + talk.said for posts in found)
            and ids[0] == ids[1] == ids[2]
            and all(post["state"] == "accepted" for posts in found for post in posts)
        )

    scene.until("Equality of all replicas", settled, timeout_s=120)
    for partner in partners:
        health = scene.relation_with(aubier, partner)["health"]
        assert (health["queued"], health["failures"]) == (0, 0)
    assert "confirmed" in parvis(aubier, "keys", "list")
    print(f"{talk.said} posts while two keys changed ({took}); the slowest took {talk.slowest_s:.2f} s.")
