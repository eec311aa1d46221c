"""The same main job in browsers without script: every page and form works by itself."""

from __future__ import annotations

import pytest

from node.cli.demo.story import AUBIER, LEROUX_HART
from tests.journeys import steps
from tests.journeys.conftest import Seats
from tests.nodes import MakeNodes

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_two_organisations_peer_share_and_talk_without_script(nodes: MakeNodes, seats: Seats) -> None:
    aubier, leroux = nodes(AUBIER, LEROUX_HART)
    camille, hugo = (seats(aubier, handle, script=False, width=360) for handle in ("camille", "hugo"))
    priya, owen = (seats(leroux, handle, script=False, width=360) for handle in ("priya", "owen"))
    steps.peer(priya, camille)
    there = steps.make_space(priya, "Wind study", owen.name)
    steps.share(priya, there, aubier.name, "Nothing: they see what is written from now on")
    steps.accept_space(camille, "Wind study")
    here = steps.join(hugo, "Wind study")

    steps.write_thread(owen, there, "Parapet height", "Is it 1.20 m or 1.40 m?")
    hugo.go(here)
    thread = hugo.tab.get_by_role("link", name="Parapet height")
    hugo.until("the thread", thread.count)
    hugo.click(thread.first)
    steps.reply(hugo, "1,40 m : la piste est ouverte aux cyclistes.")
    owen.until("the answer", lambda: "la piste est ouverte" in owen.text())

    answer = owen.post_with("la piste est ouverte")
    owen.press("Like", within=answer, stays=True)
    hugo.until("the like", lambda: hugo.say("Like") + " (1)" in hugo.text())
    hugo.act_on(hugo.post_with("la piste est ouverte"), "Edit")
    hugo.fill("Text", "1,40 m. La piste est ouverte aux cyclistes.")
    steps.send(hugo)
    owen.until("the edit", lambda: "1,40 m. La piste" in owen.text())
    hugo.until("the edit", lambda: "1,40 m. La piste" in hugo.text())
    hugo.act_on(hugo.post_with("1,40 m. La piste"), "Delete", sure=True)
    owen.until("the tombstone", lambda: "Deleted by its author." in owen.text())

    hugo.click(hugo.tab.get_by_role("button", name="English"))
    assert hugo.tab.locator("html").get_attribute("lang") == "en"
    hugo.click(hugo.tab.get_by_role("button", name="Français"))
