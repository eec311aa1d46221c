"""What journeys share: a browser, nodes, and people before them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import pytest

from node.cli.demo.houses import House
from tests.journeys.seats import CHROMIUM, Looked, Seat
from tests.nodes import MakeNodes, made, node_databases, nodes

__all__ = ["node_databases", "nodes"]


class Seats(Protocol):
    """Opens a browser for someone, signed in."""

    def __call__(self, house: House, handle: str, *, script: bool = True, width: int = 1280) -> Seat: ...


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def own_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeNodes]:
    """Makes nodes on SQLite that all tests of a module share."""
    yield from made(tmp_path_factory.mktemp("nodes"), lambda _name: "")


@pytest.fixture(scope="module")
def looked() -> Looked:
    """What all seats of a module have seen."""
    return Looked()


@pytest.fixture(scope="module")
def seats(browser: Any, looked: Looked) -> Iterator[Seats]:
    opened: list[Seat] = []

    def open_one(house: House, handle: str, *, script: bool = True, width: int = 1280) -> Seat:
        seat = Seat(browser, house, handle, looked, script=script, width=width)
        opened.append(seat)
        seat.sign_in()
        return seat

    yield open_one
    for seat in opened:
        seat.close()


@pytest.fixture(autouse=True)
def _nothing_wrong(request: pytest.FixtureRequest) -> Iterator[None]:
    """No page may break a rule of axe, and no script may fail."""
    yield
    if "looked" in request.fixturenames:
        found: Looked = request.getfixturevalue("looked")
        wrong, found.wrong = found.wrong, []
        assert not wrong, "\n".join(wrong)
