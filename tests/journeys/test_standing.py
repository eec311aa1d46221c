"""A suspension and the revocation of a key, by command: how soon other processes and the partner hold to them."""

from __future__ import annotations

import time
from functools import partial

import pytest

from node.cli.demo import scene
from node.cli.demo.client import Refused
from node.cli.demo.houses import House
from node.cli.demo.story import AUBIER, LEROUX_HART, THREADS
from tests.journeys.test_rotation import parvis
from tests.nodes import MakeNodes

pytestmark = pytest.mark.slow

NAME = "Passerelle de l’Ill"
EFFECTIVE_S = 5
REVOKED_S = 60


def is_refused(house: House, space: str) -> bool:
    """Whether the node of this house lets nothing be said in a space of its partner."""
    try:
        scene.say_something(house, space, "Encore un mot.")
    except Refused as refusal:
        return 400 <= refusal.status < 500
    return False


def test_what_one_process_says_holds_in_all_in_time(nodes: MakeNodes) -> None:
    aubier, leroux = nodes(AUBIER, LEROUX_HART)
    scene.peer(aubier, leroux)
    key = scene.open_space(aubier, NAME, "")
    aubier.admin.post(f"/spaces/{key}/threads", title=THREADS[0].title, text="Bonjour.", lang="fr")
    scene.share(aubier, key, leroux)
    there = scene.enter(leroux, NAME)
    relation = scene.relation_with(leroux, aubier)["key"]
    assert not is_refused(leroux, there)

    took = {}
    parvis(leroux, "relation", "suspend", relation, "--reason", "Exercice")
    begun = time.monotonic()
    scene.until("The suspension in the other process", partial(is_refused, leroux, there), EFFECTIVE_S)
    took["here"] = time.monotonic() - begun
    told = lambda: scene.relation_with(aubier, leroux)["state"] == "suspended"  # noqa: E731
    scene.until("The suspension at the partner", told, EFFECTIVE_S)
    took["there"] = time.monotonic() - begun
    parvis(leroux, "relation", "resume", relation)
    scene.until("The resumption", lambda: not is_refused(leroux, there), EFFECTIVE_S)

    parvis(aubier, "keys", "revoke", "--yes")
    begun = time.monotonic()
    scene.until("The revocation at the partner", partial(is_refused, leroux, there), REVOKED_S)
    took["revoked"] = time.monotonic() - begun
    assert scene.relation_with(leroux, aubier)["state"] == "keys-exchanged"
    print({name: round(seconds, 2) for name, seconds in took.items()})
