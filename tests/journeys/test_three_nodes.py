"""The story of the demo through the API of three real nodes, on each kind of database; nodes are killed meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from node.cli.demo import scene
from node.cli.demo.checking import digest_of
from node.cli.demo.houses import House
from node.cli.demo.story import INTERNAL_SPACE, ORGANISATIONS
from tests.nodes import MakeNodes

pytestmark = pytest.mark.slow

MISSED = 3

Replica = Mapping[str, tuple[object, ...]]


def replica(house: House, space: str) -> Replica:
    """What a node holds of the space: place, state and digest of each post."""
    return {
        post["id"]: (post["rev"], post["state"], digest_of(post)) for post in scene.posts_of(house, space)
    }


def wait_until_the_same(houses: Sequence[House], keys: Mapping[str, str]) -> Replica:
    """The one replica that all hold, with nothing pending."""

    def look() -> Replica | None:
        found = [replica(house, keys[house.organisation.slug]) for house in houses]
        settled = all(state == "accepted" for _rev, state, _digest in found[0].values())
        return found[0] if settled and all(each == found[0] for each in found) else None

    return scene.until("Equality of the replicas", look, timeout_s=30)


def test_nothing_is_lost_or_doubled_when_nodes_are_killed(nodes: MakeNodes) -> None:
    houses = nodes(*ORGANISATIONS)
    aubier, nord, leroux = houses
    keys = scene.play(houses, print)
    before = wait_until_the_same(houses, keys)
    revs = [rev for rev, _state, _digest in before.values()]
    assert len(set(revs)) == len(revs)

    for away in (nord, aubier):
        away.node.kill()
        for house in houses:
            if house is not away:
                for number in range(MISSED):
                    scene.say_something(
                        house, keys[house.organisation.slug], f"{number}, without {away.name}"
                    )
        away.node.start()
        away.node.wait_ready()
        after = wait_until_the_same(houses, keys)
        assert len(after) == len(before) + MISSED * (len(houses) - 1)
        assert before.items() <= after.items()
        before = after

    for partner in (nord, leroux):
        names = {space["name"] for space in partner.admin.get("/spaces")}
        assert INTERNAL_SPACE not in names
        health = scene.relation_with(aubier, partner)["health"]
        assert (health["queued"], health["failures"]) == (0, 0)
    assert not are_partners(nord, leroux)


def are_partners(one: House, other: House) -> bool:
    """Whether two organisations that share a space behind a host know each other as partners."""
    node = f"{other.node.origin}/actor"
    return any(item["id"] == node for item in one.admin.get("/relations")["items"])
