"""A space that is stopped with one of its organisations, as the others in it see it."""

from __future__ import annotations

from typing import Any

import pytest

from node.relations.jobs import send_due
from node.spaces.audience import audience
from node.spaces.services import sharing
from tests.node.relations.peers import MARIE
from tests.node.spaces.world import House, exchange_all, opened, peered
from tests.node.threads.talk import begin


class Three:
    """Aubier keeps a space; Nord Acier and Leroux & Hart are in it and know each other by its roster alone."""

    def __init__(self, aubier: House, nord: House, leroux: House) -> None:
        self.houses = self.aubier, self.nord, self.leroux = aubier, nord, leroux
        for other in (nord, leroux):
            peered(aubier, other)
        ines, marie, owen = aubier.person("Inès"), nord.person("Marie"), leroux.person("Owen")
        self.ines, self.marie = ines, marie
        self.key = aubier.space(ines)
        self.iri = opened(aubier, nord, self.key, ines, marie)
        opened(aubier, leroux, self.key, ines, owen)
        exchange_all(*self.houses)
        nord.join(marie, self.iri, aubier)
        leroux.join(owen, self.iri, aubier)
        exchange_all(*self.houses)

    def tell(self) -> None:
        """What follows from a stop, at all of them."""
        for house in self.houses:
            send_due.run(house.ground)
        for house in self.houses:
            house.settle_jobs()
        exchange_all(*self.houses)


@pytest.fixture
def three(aubier: House, nord: House, leroux: House) -> Three:
    return Three(aubier, nord, leroux)


def apart(house: House, iri: str) -> list[str]:
    with house.ground.database.reading() as session:
        found = audience(session, house.ground, int(house.fact("SELECT id FROM space WHERE iri = :i", i=iri)))
    assert all(each.node != other.node for each in found.apart for other in found.organisations)
    return sorted(each.name for each in found.apart)


@pytest.mark.parametrize("stopper", ["the host", "the member"])
def test_the_other_organisations_hear_who_reads_nothing_and_who_reads_again(
    three: Three, stopper: str
) -> None:
    one, other = (three.aubier, three.leroux) if stopper == "the host" else (three.leroux, three.aubier)
    assert three.nord.names(three.iri) == ["Inès", "Marie", "Owen"]

    one.relations.stop(one.partner(other).key, [three.iri], MARIE)
    three.tell()

    for house in (three.aubier, three.nord):
        assert (house.names(three.iri), apart(house, three.iri)) == (["Inès", "Marie"], ["Owen"])
    version = three.aubier.fact("SELECT roster_version FROM space")
    begin(three.nord, three.marie, three.nord.key_of(three.iri), "Entre nous.", title="Sans eux")
    three.tell()
    assert three.aubier.fact("SELECT count(*) FROM thread WHERE title = 'Sans eux'") == 1
    assert three.leroux.fact("SELECT count(*) FROM thread WHERE title = 'Sans eux'") == 0
    sharing.renew_keys.run(three.aubier.ground)
    three.tell()
    assert three.aubier.fact("SELECT roster_version FROM space") == version  # it says so already

    one.relations.stop(one.partner(other).key, [], MARIE)
    three.tell()

    for house in three.houses:
        assert (house.names(three.iri), apart(house, three.iri)) == (["Inès", "Marie", "Owen"], [])


def test_a_stop_that_a_crash_cut_short_is_told_within_a_minute(three: Three, monkeypatch: Any) -> None:
    monkeypatch.setattr(three.aubier.ground.jobs, "enqueue", lambda *_, **__: None)
    three.aubier.relations.stop(three.aubier.partner(three.leroux).key, [three.iri], MARIE)
    monkeypatch.undo()

    sharing.renew_keys.run(three.aubier.ground)
    three.tell()

    assert three.nord.names(three.iri) == ["Inès", "Marie"]
