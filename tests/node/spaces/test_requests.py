"""Who asks to come into a space: kept, shown to its managers alone, let in or declined by one (PROTOCOL 2.j)."""

from __future__ import annotations

from typing import Any

import pytest

from federation.activity import Document
from node.exchange import service as exchange
from node.identity.services.people import Person, Role
from node.identity.services.tokens import Scope
from tests.node.identity.houses import PASSWORD
from tests.node.relations.peers import api
from tests.node.spaces.world import House, exchange_all, opened


@pytest.fixture
def ines(aubier: House) -> Person:
    return aubier.person("Inès Le Goff", Role.ADMIN, PASSWORD)


@pytest.fixture
def marie(nord: House) -> Person:
    return nord.person("Marie Lenoir")


def follow(house: House, person: Person, iri: str, host: House) -> None:
    """Asks to come in, as a node does whose house is in the space, or not yet."""
    said: Document = {"type": "Follow", "to": [iri], "audience": iri, "object": iri}
    with exchange.open_work(house.ground) as work:
        relation = work.peers.of_node(host.iri)
        assert relation is not None
        exchange.tell(house.ground, work, relation, said, person.actor)
    house.deliver(host)


def token(house: House, person: Person) -> str:
    scopes = [Scope.SPACES_READ, Scope.SPACES_WRITE]
    return house.identity.create_token(person.id, "script", scopes)[0]


def answers(host: House, guest: House) -> list[Any]:
    """What the space said last to the guest's node, by type and object."""
    host.deliver(guest)
    with guest.ground.database.reading() as session:
        work = guest.ground.work(session)
        entries = work.streams.entries(guest.relation(host), 1, 100)
        said = [
            work.journal.get(entry.activity) for entry, outcome in entries if outcome.outcome == "processed"
        ]
    return [
        (each.type, each.object["type"])
        for each in said
        if each is not None and each.type in {"Accept", "Reject"} and each.object is not None
    ]


def test_a_manager_lets_in_who_asked_and_the_space_answers(
    partners: tuple[House, House], ines: Person, marie: Person
) -> None:
    aubier, nord = partners
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    follow(nord, marie, iri, aubier)
    assert aubier.names(iri) == ["Inès Le Goff"]
    browser = aubier.browser()
    browser.sign_in(ines)
    path = f"/spaces/{key}/members"
    page = browser.get(path).text
    assert "1 person asks to come in" in page
    assert "Marie Lenoir" in page
    assert f"{path}" in browser.get("/").text
    asked = aubier.fact("SELECT key FROM join_request")
    answered = browser.post(f"/spaces/{key}/requests/{asked}", {"answer": "accept"}, page=path)
    assert answered.status_code == 303
    assert aubier.count("join_request") == 0
    exchange_all(aubier, nord)
    assert aubier.names(iri) == nord.names(iri) == ["Inès Le Goff", "Marie Lenoir"]
    assert nord.sees(marie) == ["Passerelle de l’Ill"]
    assert answers(aubier, nord) == [("Accept", "Follow")]
    again = browser.post(f"/spaces/{key}/requests/{asked}", {"answer": "accept"}, page=path)
    assert again.status_code == 404


def test_a_script_declines_and_the_space_says_so(
    partners: tuple[House, House], ines: Person, marie: Person
) -> None:
    aubier, nord = partners
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    follow(nord, marie, iri, aubier)
    secret = token(aubier, ines)
    listed = api(aubier, secret, "GET", f"/spaces/{key}/requests").json
    assert [(each["name"], each["node"], each["mayEnter"]) for each in listed] == [
        ("Marie Lenoir", nord.iri, True)
    ]
    path = f"/spaces/{key}/requests/{listed[0]['key']}"
    assert api(aubier, secret, "POST", path, {"accept": False}).status_code == 204
    assert api(aubier, secret, "GET", f"/spaces/{key}/requests").json == []
    exchange_all(aubier, nord)
    assert aubier.names(iri) == ["Inès Le Goff"]
    assert answers(aubier, nord) == [("Reject", "Follow")]


def test_refuses_who_does_not_manage_the_space(
    partners: tuple[House, House], ines: Person, marie: Person
) -> None:
    aubier, nord = partners
    bruno, paul = aubier.person("Bruno Maillard", password=PASSWORD), aubier.person("Paul Delmotte")
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    secret = token(aubier, ines)
    api(aubier, secret, "POST", f"/spaces/{key}/members", {"person": bruno.wire_id})
    follow(nord, marie, iri, aubier)
    asked = aubier.fact("SELECT key FROM join_request")
    for person, status in ((bruno, 403), (paul, 404)):
        secret = token(aubier, person)
        assert api(aubier, secret, "GET", f"/spaces/{key}/requests").status_code == status
        said = api(aubier, secret, "POST", f"/spaces/{key}/requests/{asked}", {"accept": True})
        assert said.status_code == status
    browser = aubier.browser()
    browser.sign_in(bruno)
    page = f"/spaces/{key}/members"
    assert "to come in" not in browser.get(page).text
    answer = browser.post(f"/spaces/{key}/requests/{asked}", {"answer": "accept"}, page="/spaces/new")
    assert answer.status_code == 403
    assert aubier.count("join_request") == 1
    assert marie.name not in aubier.names(iri)


def test_a_request_is_answered_in_its_own_space_alone(
    partners: tuple[House, House], ines: Person, marie: Person
) -> None:
    aubier, nord = partners
    key, other = aubier.space(ines), aubier.space(ines, "Atelier")
    iri = opened(aubier, nord, key, ines, marie)
    follow(nord, marie, iri, aubier)
    asked = aubier.fact("SELECT key FROM join_request")
    said = api(aubier, token(aubier, ines), "POST", f"/spaces/{other}/requests/{asked}", {"accept": True})
    assert said.status_code == 404
    assert aubier.count("join_request") == 1


def test_nobody_comes_in_past_the_roster(partners: tuple[House, House], ines: Person, marie: Person) -> None:
    """The organisation first: its admin is asked by sharing the space."""
    aubier, nord = partners
    key = aubier.space(ines)
    iri = aubier.iri_of(key)
    follow(nord, marie, iri, aubier)
    secret = token(aubier, ines)
    (listed,) = api(aubier, secret, "GET", f"/spaces/{key}/requests").json
    assert (listed["name"], listed["mayEnter"]) == ("Marie Lenoir", False)
    path = f"/spaces/{key}/requests/{listed['key']}"
    assert api(aubier, secret, "POST", path, {"accept": True}).status_code == 403
    assert aubier.names(iri) == ["Inès Le Goff"]
    opened(aubier, nord, key, ines, marie)
    assert api(aubier, secret, "POST", path, {"accept": True}).status_code == 204
    exchange_all(aubier, nord)
    assert nord.names(iri) == ["Inès Le Goff", "Marie Lenoir"]


def test_who_asks_again_or_came_in_another_way_waits_no_twice(
    partners: tuple[House, House], ines: Person, marie: Person
) -> None:
    aubier, nord = partners
    iri = opened(aubier, nord, aubier.space(ines), ines, marie)
    follow(nord, marie, iri, aubier)
    follow(nord, marie, iri, aubier)
    assert aubier.count("join_request") == 1
    nord.join(marie, iri, aubier)
    assert aubier.count("join_request") == 0
    follow(nord, marie, iri, aubier)
    assert aubier.count("join_request") == 0
