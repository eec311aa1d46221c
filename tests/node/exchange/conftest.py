"""Two houses that share a space, and what is said in it."""

from __future__ import annotations

import pytest

from tests.node.exchange.talk import Talk, begin
from tests.node.spaces.world import House, aubier, clock, compiled, leroux, make_house, net, nord, partners


@pytest.fixture
def talk(partners: tuple[House, House]) -> Talk:
    return begin(*partners)


__all__ = ["aubier", "clock", "compiled", "leroux", "make_house", "net", "nord", "partners", "talk"]
