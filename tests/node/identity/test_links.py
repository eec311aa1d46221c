"""One-time links: the first administrator, and passwords that nobody else knows."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest

from node.core.errors import Absent, Changed
from node.identity.services.accounts import hash_password
from node.identity.services.people import Claims, Role
from tests.node.identity.houses import PASSWORD, Node

FIRST = {"display_name": "Ada Aubier", "name": "ada", "password": PASSWORD}


def test_the_first_link_makes_an_administrator_and_signs_in(node: Node) -> None:
    link = f"/welcome/{node.identity.first_admin_link()}"
    browser = node.browser()
    assert "You are the first one in" in browser.get(link).text
    answer = browser.post(link, FIRST, page=link)
    assert (answer.status_code, answer.location) == (303, "/")
    assert browser.is_in()
    with node.ground.database.reading() as db:
        ada = node.identity.people.by_handle(db, "ada")
    assert (ada.name, ada.role) == ("Ada Aubier", Role.ADMIN)
    assert node.browser().sign_in(ada).status_code == 303


def test_a_link_works_once(node: Node) -> None:
    link = f"/welcome/{node.identity.first_admin_link()}"
    first, second = node.browser(), node.browser()
    second.get(link)
    first.post(link, FIRST, page=link)
    assert second.get(link).status_code == 404
    assert second.post(link, {**FIRST, "name": "eve"}).status_code == 404
    assert node.count("person") == 1
    assert any("signin.LinkUsed" in line for line in node.audited())


def test_of_twenty_uses_at_once_one_succeeds(node: Node) -> None:
    secret, hashed = node.identity.first_admin_link(), hash_password(PASSWORD)
    together, done = Barrier(20), []

    def use(number: int) -> None:
        together.wait()
        try:
            with node.ground.database.writing() as db:
                node.identity.accounts.use(db, secret, "Ada", f"ada{number}", hashed, node.clock.now())
        except Absent:
            return
        done.append(number)

    threads = [Thread(target=use, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 1
    assert node.count("person") == 1


def test_a_link_grows_old(node: Node) -> None:
    link = f"/welcome/{node.identity.first_admin_link()}"
    node.clock.move(hours=72, seconds=1)
    assert node.browser().get(link).status_code == 404


@pytest.mark.parametrize("secret", ["x", "%00", "a" * 43, "..%2f..%2fetc"])
def test_refuses_a_link_that_was_never_made(node: Node, secret: str) -> None:
    assert node.browser().get(f"/welcome/{secret}").status_code == 404


def test_only_the_hash_of_a_link_is_kept(node: Node) -> None:
    secret = node.identity.first_admin_link()
    for path in node.ground.settings.data_dir.iterdir():
        if path.is_file():
            assert secret.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "short"}, "12 characters"),
        ({"name": "Ada Aubier"}, "small letters"),
        ({"name": ""}, "small letters"),
        ({"display_name": ""}, "can’t be used"),
        ({"password": "ada ada ada ada ada"}, "easy to guess"),
    ],
)
def test_a_mistake_does_not_use_the_link_up(node: Node, change: dict[str, str], words: str) -> None:
    link = f"/welcome/{node.identity.first_admin_link()}"
    browser = node.browser()
    answer = browser.post(link, {**FIRST, **change}, page=link)
    assert answer.status_code == 422
    assert words in answer.text
    assert PASSWORD not in answer.text
    assert browser.post(link, FIRST, page=link).status_code == 303


def test_an_invited_person_chooses_a_password(node: Node) -> None:
    person, secret = node.identity.add_person("Inès Le Goff", Role.MEMBER)
    browser = node.browser()
    answer = browser.get(f"/welcome/{secret}")
    assert answer.location == f"/welcome/{secret}/password"
    assert "ines.le.goff" in browser.get(answer.location).text
    weak = browser.post(answer.location, {"password": "short"}, page=answer.location)
    assert weak.status_code == 422
    assert browser.post(answer.location, {}, page=answer.location).status_code == 422
    assert browser.post(answer.location, {"password": PASSWORD}, page=answer.location).status_code == 303
    assert browser.is_in()
    assert node.browser().sign_in(person).status_code == 303


def test_the_first_administrators_link_leads_to_its_own_page(node: Node) -> None:
    secret = node.identity.first_admin_link()
    assert node.browser().get(f"/welcome/{secret}/password").location == f"/welcome/{secret}"


def test_a_new_link_ends_the_older_ones(node: Node) -> None:
    person, first = node.identity.add_person("Inès", Role.MEMBER)
    second = node.identity.password_link(person.id)
    assert node.browser().get(f"/welcome/{first}").status_code == 404
    assert node.browser().get(f"/welcome/{second}").status_code == 303


def test_no_password_for_who_signs_in_with_a_provider(node: Node) -> None:
    person = node.identity.expect_person(Claims("https://login.example", "7", "Inès"), Role.MEMBER)
    with pytest.raises(Changed):
        node.identity.password_link(person.id)
