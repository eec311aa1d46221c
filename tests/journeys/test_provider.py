"""Sign-in through a certified OpenID provider, in a browser, in front of a real node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from node.cli.demo.nodes import free_ports
from node.cli.demo.story import AUBIER
from tests.journeys.seats import Looked, Seat
from tests.nodes import MakeNodes
from tests.providers.real import SECRET, RealProvider, client_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CLIENT = "node"


@pytest.fixture
def seat(own_nodes: MakeNodes, browser: Any, looked: Looked) -> Iterator[Seat]:
    """Nobody yet, before the door of a node whose people sign in at their company."""
    port = free_ports(1)[0]
    origin = f"http://{AUBIER.slug}.localhost:{port}"
    with RealProvider([client_of(origin, "op", CLIENT)]) as provider:
        known = {
            "name": "op",
            "label": "Aubier",
            "issuer": provider.issuer,
            "client_id": CLIENT,
            "client_secret": SECRET,
            "creates_people": True,
        }
        settings = {AUBIER.slug: {"origin": origin, "port": str(port), "providers": json.dumps([known])}}
        (aubier,) = own_nodes(replace(AUBIER, people=AUBIER.people[:1]), settings=settings)
        opened = Seat(browser, aubier, "camille", looked)
        yield opened
        opened.close()


def test_one_signs_in_at_the_company_and_is_known_by_name(seat: Seat) -> None:
    seat.go("/spaces")
    assert "/signin" in seat.tab.url
    seat.press("Aubier")
    seat.tab.locator("[name=login]").fill("ines")
    if seat.tab.locator("[name=password]").count():
        seat.tab.locator("[name=password]").fill("any")
    seat.tab.get_by_role("button").first.click()
    seat.tab.wait_for_url(f"{seat.house.node.origin}/spaces")
    seat.look()
    assert "Inès Le Goff" in seat.tab.inner_html("header.top")
    seat.tab.locator("header.top details.menu > summary").click()
    seat.press("Sign out")
    seat.go("/spaces")
    assert "/signin" in seat.tab.url
