"""One of ours asks to come into a partner's space: sent, waiting, answered (PROTOCOL 2.j)."""

from __future__ import annotations

import pytest

from node.identity.services.people import Person, Role
from node.spaces.services import requests
from tests.node.identity.houses import PASSWORD
from tests.node.spaces.world import House, exchange_all, opened

ASK = "/spaces/ask"


@pytest.fixture
def ines(aubier: House) -> Person:
    return aubier.person("Inès Le Goff", Role.ADMIN)


@pytest.fixture
def marie(nord: House) -> Person:
    return nord.person("Marie Lenoir", Role.MEMBER, PASSWORD)


def asked(house: House, person: Person, address: str, status: int = 303) -> str:
    """Asks on the page; what it shows then."""
    browser = house.browser()
    browser.sign_in(person)
    answer = browser.post(ASK, {"address": address}, page=ASK)
    assert answer.status_code == status
    return answer.text if status != 303 else browser.get(ASK).text


def shown(house: House, person: Person) -> str:
    browser = house.browser()
    browser.sign_in(person)
    return str(browser.get(ASK).text)


def decide(host: House, manager: Person, key: str, *, accept: bool) -> None:
    asked_key = host.fact("SELECT key FROM join_request")
    requests.answer(host.ground, host.by(manager), key, asked_key, accept=accept)


def test_a_request_waits_until_a_manager_declines_it(
    partners: tuple[House, House], ines: Person, marie: Person
) -> None:
    aubier, nord = partners
    key = aubier.space(ines)
    iri = aubier.iri_of(key)
    page = asked(nord, marie, iri)
    assert iri in page
    assert "not answered yet" in page
    exchange_all(aubier, nord)
    assert aubier.count("join_request") == 1
    decide(aubier, ines, key, accept=False)
    exchange_all(aubier, nord)
    assert "declined" in shown(nord, marie)
    assert nord.sees(marie) == []
    assert nord.fact("SELECT count(*) FROM audit WHERE action = 'space.asked'") == 1


def test_who_is_let_in_sees_it(partners: tuple[House, House], ines: Person, marie: Person) -> None:
    aubier, nord = partners
    key = aubier.space(ines)
    iri = aubier.iri_of(key)
    asked(nord, marie, iri)
    exchange_all(aubier, nord)
    opened(aubier, nord, key, ines, nord.person("Yann Duthoit", Role.ADMIN))
    decide(aubier, ines, key, accept=True)
    exchange_all(aubier, nord)
    assert "let in" in shown(nord, marie)
    assert nord.sees(marie) == ["Passerelle de l’Ill"]


def test_a_space_that_is_not_there_declines(partners: tuple[House, House], marie: Person) -> None:
    aubier, nord = partners
    asked(nord, marie, f"{aubier.origin}/spaces/nowhere")
    exchange_all(aubier, nord)
    assert "declined" in shown(nord, marie)


@pytest.mark.parametrize("address", ["nordacier", "https://stranger.example/spaces/1", "{nord}/spaces/1"])
def test_what_no_partner_keeps_is_not_asked(
    partners: tuple[House, House], marie: Person, address: str
) -> None:
    _, nord = partners
    before = nord.count("asked"), nord.count("space")
    asked(nord, marie, address.format(nord=nord.origin), 422)
    assert (nord.count("asked"), nord.count("space")) == before


def test_one_asks_once(partners: tuple[House, House], ines: Person, marie: Person) -> None:
    aubier, nord = partners
    iri = aubier.iri_of(aubier.space(ines))
    asked(nord, marie, iri)
    asked(nord, marie, iri, 422)
    assert nord.count("asked") == 1


def test_where_the_house_is_one_joins(partners: tuple[House, House], ines: Person, marie: Person) -> None:
    aubier, nord = partners
    iri = opened(aubier, nord, aubier.space(ines), ines, nord.person("Yann Duthoit", Role.ADMIN))
    assert "Spaces open to us" in asked(nord, marie, iri, 422)
    assert nord.count("asked") == 0


def test_an_answer_to_another_question_changes_nothing(
    partners: tuple[House, House], ines: Person, marie: Person
) -> None:
    aubier, nord = partners
    asked(nord, marie, aubier.iri_of(aubier.space(ines)))
    with nord.ground.database.writing() as session:
        nord.ground.work(session).spaces.request_answered(f"{nord.origin}/a/other", accepted=True)
    assert nord.fact("SELECT state FROM asked") == "open"
