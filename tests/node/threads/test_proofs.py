"""The proof of one message: its page, and the file that verifies anywhere (PROTOCOL 2.b; PRODUCT B20)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from federation.verify import verify
from node.exchange import histories
from node.identity.services.people import Person
from node.threads.services import posting
from node.threads.services.posting import Draft
from tests.node.identity.houses import PASSWORD, Browser
from tests.node.spaces.test_relays import Three
from tests.node.spaces.world import House, exchange_all, opened
from tests.node.threads.talk import begin, seen
from tests.node.threads.test_api import Script


@pytest.fixture
def ines(aubier: House) -> Person:
    return aubier.person("Inès Le Goff", password=PASSWORD)


@pytest.fixture
def marie(nord: House) -> Person:
    return nord.person("Marie Lenoir", password=PASSWORD)


@pytest.fixture
def space(partners: tuple[House, House], ines: Person, marie: Person) -> str:
    aubier, nord = partners
    iri = opened(aubier, nord, aubier.space(ines), ines, marie)
    nord.join(marie, iri, aubier)
    return iri


def signed_in(house: House, person: Person) -> Browser:
    browser = house.browser()
    browser.sign_in(person, PASSWORD)
    browser.put("language", "en")
    return browser


def wrong(raw: bytes) -> list[str]:
    return [why for _, why in verify.findings(raw) if why]


@pytest.mark.parametrize("of_host", [True, False])
def test_the_author_takes_the_proof_of_one_message_along(
    partners: tuple[House, House], space: str, ines: Person, marie: Person, of_host: bool
) -> None:
    aubier, nord = partners
    house, other, author = (aubier, nord, ines) if of_host else (nord, aubier, marie)
    said = begin(house, author, house.key_of(space), "La note est close.")
    begin(house, author, house.key_of(space), "Autre chose.", title="Autre")
    exchange_all(aubier, nord)
    posting.edit(house.ground, house.by(author), said.post, Draft("La note est close, enfin.", title="Grue"))
    exchange_all(aubier, nord)
    browser = signed_in(house, author)
    where = f"/posts/{said.post}/proof"
    assert where in browser.get(f"/threads/{said.thread}").text
    page = browser.get(where)
    assert page.status_code == 200
    receipts = {
        other.fact("SELECT count(*) FROM receipt_given"),
        page.text.count(f"{other.origin}/receipts/"),
    }
    assert min(receipts) == 2  # of what was said, and of the edit
    assert "which both have signed" not in page.text
    file = f"{where}/{house.relation(other).id}.json"
    assert file in page.text
    named: dict[str, Any] = {"items": []}
    for _ in range(2):
        raw = browser.get(file).data
        assert wrong(raw) == []
        named = json.loads(raw)
        assert {each["entry"]["type"] for each in named["items"]} >= {"Announce" if of_host else "Create"}
        assert b"La note est close." in raw
        assert b"enfin" in raw
        assert b"Autre chose" not in raw
        assert histories.checkpoint(house.ground, house.relation(other).id) is not False
    assert any(each["paths"] for each in named["items"])
    assert "which both have signed" in browser.get(where).text
    assert house.fact("SELECT count(*) FROM audit WHERE action = 'exchange.evidence'") == 2
    script = Script(house, author)
    answer = script("GET", f"/posts/{said.post}/proof?relation={house.relation(other).id}")
    assert wrong(answer.data) == []


def test_nobody_else_finds_a_proof(
    partners: tuple[House, House], space: str, ines: Person, marie: Person
) -> None:
    aubier, nord = partners
    said = begin(aubier, ines, aubier.key_of(space), "La note est close.")
    exchange_all(aubier, nord)
    relation = aubier.relation(nord).id
    bruno = aubier.person("Bruno Maillard", password=PASSWORD)
    for house, person in ((aubier, bruno), (nord, marie)):
        browser = signed_in(house, person)
        assert browser.get(f"/posts/{said.post}/proof").status_code == 404
        assert (
            browser.get(
                f"/posts/{said.post}/proof/{house.relation(nord if house is aubier else aubier).id}.json"
            ).status_code
            == 404
        )
    mine = signed_in(aubier, ines)
    assert mine.get(f"/posts/{said.post}/proof/{relation}9.json").status_code == 404
    assert mine.get(f"/posts/{said.post}/proof/{relation}.json").status_code == 200
    posting.delete(aubier.ground, aubier.by(ines), said.post)
    assert mine.get(f"/posts/{said.post}/proof").status_code == 404
    assert mine.get(f"/posts/{said.post}/proof/{relation}.json").status_code == 404
    assert aubier.fact("SELECT count(*) FROM audit WHERE action = 'exchange.evidence'") == 1


def test_a_message_that_waits_has_no_proof_yet(
    partners: tuple[House, House], space: str, ines: Person, marie: Person
) -> None:
    aubier, nord = partners
    said = begin(nord, marie, nord.key_of(space), "En route.")
    assert signed_in(nord, marie).get(f"/posts/{said.post}/proof").status_code == 404
    kept = begin(aubier, ines, aubier.key_of(space), "Pas encore partie.", title="Autre")
    browser = signed_in(aubier, ines)
    page = browser.get(f"/posts/{kept.post}/proof").text
    assert "on its way" in page
    assert re.search(r"proof/\d+\.json", page) is None
    assert browser.get(f"/posts/{kept.post}/proof/{aubier.relation(nord).id}.json").status_code == 404


def test_who_is_behind_the_host_is_named_without_a_file(aubier: House, nord: House, leroux: House) -> None:
    three = Three(aubier, nord, leroux)
    three.says()
    aubier.deliver(leroux)
    three.pull()
    (post,) = seen(nord, three.marie)
    nord.identity.set_password(three.marie.id, PASSWORD)
    page = signed_in(nord, three.marie).get(f"/posts/{post.key}/proof").text
    assert "has passed on their receipt" in page
    assert re.findall(r"proof/(\d+)\.json", page) == [nord.relation(aubier).id]
