"""A node changes its key: the roster tells it to those who know the node by nothing else (PROTOCOL 2.j)."""

from __future__ import annotations

import json

import pytest

from node.identity.services.keys import keys_of
from node.identity.services.people import Person
from node.spaces.services import sharing
from node.spaces.services import spaces as use
from tests.node.spaces.world import House, exchange_all, opened, peered
from tests.node.threads.talk import begin


class Three:
    """Aubier hosts; Nord Acier, with Marie and Yann, and Leroux have no relation with each other."""

    def __init__(self, aubier: House, nord: House, leroux: House) -> None:
        self.aubier, self.nord, self.leroux = aubier, nord, leroux
        peered(aubier, nord)
        peered(aubier, leroux)
        self.ines = aubier.person("Inès Le Goff")
        self.marie, self.yann = nord.person("Marie Lenoir"), nord.person("Yann Duthoit")
        self.key = aubier.space(self.ines)
        self.iri = opened(aubier, nord, self.key, self.ines, self.marie)
        nord.join(self.marie, self.iri, aubier)
        begin(nord, self.marie, nord.key_of(self.iri), "Avant.", "Avant")
        exchange_all(aubier, nord)

    def enter(self) -> Person:
        owen = self.leroux.person("Owen Hart")
        opened(self.aubier, self.leroux, self.key, self.ines, owen)
        exchange_all(self.aubier, self.leroux)
        return owen

    def rotate(self) -> None:
        """Nord Acier has another key, and its partner knows."""
        keys_of(self.nord.ground).rotate()
        for _ in range(4):
            self.nord.settle_jobs()
            self.aubier.settle_jobs()
        exchange_all(self.aubier, self.nord)

    def renew(self) -> None:
        sharing.renew_keys.run(self.aubier.ground)
        self.aubier.settle_jobs()
        for house in (self.nord, self.leroux):
            if self.aubier.knows(house):
                self.aubier.deliver(house)

    def named(self, house: House) -> str:
        roster = json.loads(house.fact("SELECT roster FROM space WHERE iri = :iri", iri=self.iri))
        return next(str(each["key"]) for each in roster["nodes"] if each["node"] == self.nord.iri)


@pytest.fixture
def three(aubier: House, nord: House, leroux: House) -> Three:
    return Three(aubier, nord, leroux)


def test_the_roster_names_the_new_key_and_the_former_one(three: Three) -> None:
    three.enter()
    before = three.named(three.aubier)
    three.rotate()
    three.renew()
    assert three.named(three.aubier) == three.named(three.leroux) != before
    former = json.loads(three.leroux.fact("SELECT roster FROM space"))["formerNodes"]
    assert [(each["node"], each["key"]) for each in former] == [(three.nord.iri, before)]


def test_who_knows_the_node_by_the_roster_alone_goes_on_to_verify_it(three: Three) -> None:
    three.enter()
    three.rotate()
    three.renew()
    use.join(three.nord.ground, three.nord.by(three.yann), three.nord.key_of(three.iri))
    begin(three.nord, three.marie, three.nord.key_of(three.iri), "Après.", "Après")
    exchange_all(three.aubier, three.nord, three.leroux)
    assert three.leroux.names(three.iri) == ["Inès Le Goff", "Marie Lenoir", "Yann Duthoit"]
    assert three.leroux.fact("SELECT count(*) FROM post") == 2
    assert three.leroux.fact("SELECT problem FROM in_entry WHERE outcome = 'rejected'") is None


def test_a_newcomer_verifies_what_was_said_under_the_former_key(three: Three) -> None:
    three.rotate()
    three.renew()
    three.enter()
    assert three.leroux.fact("SELECT count(*) FROM post") == 1
    assert (
        three.leroux.fact("SELECT name FROM participant WHERE iri = :iri", iri=three.marie.actor)
        == "Marie Lenoir"
    )
    assert three.leroux.fact("SELECT problem FROM in_entry WHERE outcome = 'rejected'") is None


def test_without_a_change_no_roster_is_written(three: Three) -> None:
    version = three.aubier.fact("SELECT roster_version FROM space")
    three.renew()
    assert three.aubier.fact("SELECT roster_version FROM space") == version
