"""What script adds to the main job, on PostgreSQL: news without reload, and marks that change by themselves.

On SQLite `test_two_nodes` walks the same and more.
"""

from __future__ import annotations

import pytest

from node.cli.demo.story import AUBIER, LEROUX_HART
from tests.journeys import steps
from tests.journeys.conftest import Seats
from tests.nodes import MakeNodes

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.postgresql]


@pytest.mark.parametrize("node_databases", ["postgresql"], indirect=True)
def test_two_organisations_talk_without_reload(nodes: MakeNodes, seats: Seats) -> None:
    aubier, leroux = nodes(AUBIER, LEROUX_HART)
    camille, priya = seats(aubier, "camille"), seats(leroux, "priya")
    steps.peer(camille, priya)
    here = steps.make_space(camille)
    steps.share(camille, here, leroux.name)
    steps.accept_space(priya)
    there = steps.join(priya)

    steps.write_thread(camille, here, "Pente du tablier", "Peut-elle encore bouger ?")
    arrived = priya.tab.locator("[data-fresh]")
    arrived.wait_for(state="visible")
    priya.go(there)
    priya.open("Pente du tablier")
    steps.reply(priya, "Not any more: the calculation is closed.")
    answer = camille.post_with("the calculation is closed")
    assert leroux.name in answer.inner_text()
    steps.reply(camille, "Alors je ferme la question.")
    received = camille.say("%(org)s: received, %(at)s", org=leroux.name, at="").strip()
    camille.sees(received, within=camille.post_with("je ferme la question"))
    priya.press("Like", within=priya.post_with("je ferme la question"), stays=True)
    camille.until("the like", lambda: camille.say("Like") + " (1)" in camille.text())
