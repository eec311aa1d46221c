"""What a visit keeps of what the home said."""

from __future__ import annotations

from node.exchange import service as exchange
from node.identity.services.identity import Browser
from node.visitors.services import visiting
from node.visitors.services.arriving import Arrived
from tests.node.spaces.world import House


def test_who_comes_from_a_home_that_names_no_session_may_come_again(partners: tuple[House, House]) -> None:
    aubier, nord = partners
    with exchange.open_reading(aubier.ground) as work:
        (relation,) = exchange.in_force(work)
    said = {"iss": nord.origin, "sub": "claire", "actor": f"{nord.origin}/people/claire", "name": "Claire"}
    for nonce in ("first", "second"):
        visiting.arrive(aubier.ground, Arrived(relation, {**said, "nonce": nonce}), Browser("", "", None))
    assert aubier.count("visit") == 2
