"""Who comes later can verify what was said by an organisation that is gone (PROTOCOL 2.j)."""

from __future__ import annotations

import json

import pytest

from node.identity.services.people import Person
from node.spaces.services import sharing
from tests.node.spaces.world import House, exchange_all, opened, peered
from tests.node.threads.talk import begin

WORDS = "La note de calcul est close."


@pytest.fixture
def gone(aubier: House, nord: House, leroux: House) -> tuple[str, str, Person]:
    """A space in which somebody of Nord Acier wrote before the house left: key, IRI, manager."""
    peered(aubier, nord)
    peered(aubier, leroux)
    ines, marie = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir")
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    nord.join(marie, iri, aubier)
    begin(nord, marie, nord.key_of(iri), WORDS)
    exchange_all(aubier, nord)
    sharing.remove_organisation(aubier.ground, aubier.by(ines), key, nord.iri)
    exchange_all(aubier, nord)
    return key, iri, ines


def test_the_roster_names_who_is_gone_until_when(
    aubier: House, nord: House, gone: tuple[str, str, Person]
) -> None:
    roster = json.loads(aubier.fact("SELECT roster FROM space"))
    (former,) = roster["formerNodes"]
    assert (former["node"], former["until"]) == (nord.iri, aubier.fact("SELECT rev FROM space"))
    assert nord.iri not in {each["node"] for each in roster["nodes"]}


def test_a_newcomer_reads_the_words_of_who_is_gone(
    aubier: House, leroux: House, gone: tuple[str, str, Person]
) -> None:
    key, iri, ines = gone
    owen = leroux.person("Owen Hart")
    opened(aubier, leroux, key, ines, owen)
    exchange_all(aubier, leroux)
    assert WORDS in leroux.fact("SELECT content FROM post")
    assert (
        leroux.fact("SELECT name FROM participant WHERE id = (SELECT author_id FROM post)") == "Marie Lenoir"
    )
    assert leroux.fact("SELECT count(*) FROM missing_rev") == 0
    assert leroux.names(iri) == ["Inès Le Goff"]


def test_who_comes_back_is_former_no_more(aubier: House, nord: House, gone: tuple[str, str, Person]) -> None:
    key, _, ines = gone
    opened(aubier, nord, key, ines, nord.person("Yann Duthoit"))
    exchange_all(aubier, nord)
    roster = json.loads(aubier.fact("SELECT roster FROM space"))
    assert "formerNodes" not in roster
    assert nord.fact("SELECT roster_version FROM space") == roster["version"]
    assert nord.fact("SELECT state FROM space") == "active"
