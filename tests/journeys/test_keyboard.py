"""Compose and post with the keyboard alone."""

from __future__ import annotations

from typing import Any

import pytest

from node.cli.demo.story import AUBIER
from tests.journeys import steps
from tests.journeys.conftest import Seats
from tests.nodes import MakeNodes

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MOST_TABS = 60


def tab_to(tab: Any, wanted: str) -> None:
    """Presses Tab until the focus is on what the selector means; it must be seen to be there."""
    for _ in range(MOST_TABS):
        tab.keyboard.press("Tab")
        if tab.evaluate("(wanted) => document.activeElement.matches(wanted)", wanted):
            ring = tab.evaluate(
                "() => { const style = getComputedStyle(document.activeElement);"
                " return style.outlineStyle !== 'none' || style.boxShadow !== 'none'; }"
            )
            assert ring, f"{wanted} has the focus and does not show it"
            return
    raise AssertionError(f"no way to {wanted} by Tab")


def test_one_can_sign_in_write_and_answer_with_keys_alone(own_nodes: MakeNodes, seats: Seats) -> None:
    (aubier,) = own_nodes(AUBIER)
    path = steps.make_space(seats(aubier, "camille"), "Bureau", "Hugo Bessière")
    hugo = seats(aubier, "hugo")
    tab = hugo.tab
    hugo.go(path)

    tab.keyboard.press("Tab")
    assert tab.evaluate("() => document.activeElement.className") == "skip"
    tab.keyboard.press("Enter")
    assert tab.evaluate("() => document.activeElement.id") == "main"

    tab.keyboard.press("c")
    assert tab.evaluate("() => document.activeElement.name") == "title"
    tab.keyboard.type("Qui relit la note 7 ?")
    tab_to(tab, "#composer textarea")
    tab.keyboard.type("Elle arrive jeudi.")
    tab.keyboard.press("Control+Enter")
    hugo.sees("Elle arrive jeudi.")
    hugo.look()

    if "/threads/" not in tab.url:
        tab.keyboard.press("j")
        tab.keyboard.press("Enter")
        tab.wait_for_url("**/threads/**")
    tab.keyboard.press("j")
    assert "Elle arrive jeudi." in tab.evaluate("() => document.activeElement.innerText")
    tab.keyboard.press("r")
    tab.wait_for_url("**reply_to=**")
    tab_to(tab, "#composer textarea")
    tab.keyboard.type("Je la relis vendredi.")
    tab_to(tab, "#composer button[type=submit]")
    tab.keyboard.press("Enter")
    hugo.post_with("Je la relis vendredi.")

    tab.keyboard.press("?")
    assert tab.evaluate("() => document.querySelector('#keys').open")
    tab.keyboard.press("Escape")
    tab.keyboard.press("g")
    tab.keyboard.press("s")
    tab.wait_for_url("**/spaces")
