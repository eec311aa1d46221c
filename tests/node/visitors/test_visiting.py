"""What a visit keeps of what the home said."""

from __future__ import annotations

import pytest

from node.exchange import service as exchange
from node.identity.services.identity import Browser
from node.visitors.services import visiting
from node.visitors.services.arriving import Arrived
from tests.node.spaces.world import House


def test_who_comes_from_a_home_that_names_no_session_may_come_again(partners: tuple[House, House]) -> None:
    aubier, nord = partners
    for nonce in ("first", "second"):
        _arrive(aubier, nord, nonce=nonce)
    assert aubier.count("visit") == 2


@pytest.mark.parametrize("when", [2**200, -1, True, "1"])
def test_a_time_of_sign_in_that_is_none_is_not_kept(partners: tuple[House, House], when: object) -> None:
    aubier, nord = partners
    secret = _arrive(aubier, nord, auth_time=when)
    with aubier.ground.database.reading() as db:
        visit = aubier.identity.visits.find(db, secret, aubier.clock.now())
    assert visit is not None
    assert visit.visitor.sign_in.auth_time is None


def _arrive(aubier: House, nord: House, **said: object) -> str:
    with exchange.open_reading(aubier.ground) as work:
        (relation,) = exchange.in_force(work)
    actor = f"{nord.origin}/people/claire"
    claims = {"iss": nord.origin, "sub": "claire", "actor": actor, "nonce": "first", **said}
    return visiting.arrive(aubier.ground, Arrived(relation, claims, "refresh"), Browser("", "", None))
