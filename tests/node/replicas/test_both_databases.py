"""Copies compared and mended with PostgreSQL on one side, SQLite on the other."""

from __future__ import annotations

import pytest

from tests.node.replicas.test_compare import Shared, lose, seen_by
from tests.node.spaces.world import House, MakeHouse, exchange_all, peered


@pytest.fixture(params=["host", "guest"])
def pair(request: pytest.FixtureRequest, make_house: MakeHouse, postgresql_url: str) -> tuple[House, House]:
    """Host and guest; one of them on PostgreSQL."""
    large, small = {"database_url": postgresql_url}, dict[str, str]()
    on_host = request.param == "host"
    host = make_house("aubier", **(large if on_host else small))
    guest = make_house("nord-acier", "Nord Acier", **(small if on_host else large))
    peered(host, guest)
    return host, guest


@pytest.mark.postgresql
def test_copies_are_compared_mended_and_proved(pair: tuple[House, House]) -> None:
    shared = Shared(*pair)
    first = shared.compare()
    lose(shared.guest, shared.last.iri)
    mended = shared.compare()
    exchange_all(shared.host, shared.guest)
    assert seen_by(shared.host, shared).proofs[0].node == shared.guest.iri
    lose(shared.host, shared.first.iri)
    shared.host.clock.move(hours=1)
    surplus = shared.compare()

    assert [each.state for each in (first, mended, surplus)] == ["equal"] * 3
    assert (first.requests, mended.repaired) == (1, 1)
    assert [each.kind for each in seen_by(shared.guest, shared).aside] == ["surplus"]
