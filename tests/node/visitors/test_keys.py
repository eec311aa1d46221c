"""What is kept of the keys with which partners sign their tokens."""

from __future__ import annotations

from sqlalchemy import select

from node.identity.services.keys import keys_of
from node.visitors import tables
from tests.node.spaces.world import House


def test_keys_of_a_partner_are_forgotten_when_it_revokes_its_own(partners: tuple[House, House]) -> None:
    aubier, nord = partners
    with aubier.ground.database.writing() as db:
        for node in (nord.iri, "https://other.example/actor"):
            db.add(tables.PartnerKeys(node=node, keys="[]", read_at=aubier.clock.now()))
    keys_of(nord.ground).revoke()
    nord.settle_jobs()
    assert aubier.relation(nord).recompare
    with aubier.ground.database.reading() as db:
        assert db.scalars(select(tables.PartnerKeys.node)).all() == ["https://other.example/actor"]
