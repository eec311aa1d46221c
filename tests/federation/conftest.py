"""Two worlds in memory, built once and put back before each test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.federation.world import Pair, Worlds, three_nodes, two_nodes


@pytest.fixture(scope="session")
def built_worlds() -> tuple[Worlds, Callable[[], None]]:
    world = three_nodes()
    return world, world.snapshot()


@pytest.fixture(scope="session")
def built_pair() -> tuple[Pair, Callable[[], None]]:
    world = two_nodes()
    return world, world.snapshot()


@pytest.fixture
def worlds(built_worlds: tuple[Worlds, Callable[[], None]]) -> Worlds:
    """North hosts a space; south and east are its partners, not each other's."""
    world, restore = built_worlds
    restore()
    return world


@pytest.fixture
def pair(built_pair: tuple[Pair, Callable[[], None]]) -> Pair:
    """North hosts a space; south is its partner."""
    world, restore = built_pair
    restore()
    return world
