"""What administrators see of copies: pages, API, command line."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from node.identity.services.people import Person
from node.replicas.cli import compare, evidence, list_copies
from tests.node.identity.houses import PASSWORD
from tests.node.replicas.test_compare import Shared, lose
from tests.node.spaces.world import House, Role, exchange_all


@pytest.fixture
def shared(partners: tuple[House, House]) -> Shared:
    return Shared(*partners)


@pytest.fixture
def admin(shared: Shared) -> Person:
    return shared.guest.person("Ada Berg", Role.ADMIN, PASSWORD)


def address(shared: Shared) -> str:
    return f"/admin/copies/{shared.guest.key_of(shared.iri)}"


def test_the_button_compares_and_the_page_shows_the_proof(shared: Shared, admin: Person) -> None:
    browser = shared.guest.browser()
    browser.sign_in(admin)
    page = address(shared)
    assert "not compared yet" in browser.get(page).text

    assert browser.post(f"{page}/compare", page=page).status_code == 303
    shared.guest.settle_jobs()
    exchange_all(shared.host, shared.guest)

    shown = browser.get(page).text
    assert "5 entries" in shown
    assert "Signed statements" in shown
    assert "Passerelle" in browser.get("/admin/copies").text
    signed = json.loads(browser.get(f"{page}/evidence.json").text)
    one, other = signed["proofs"][0]["statements"]
    assert one["root"] == other["root"]
    assert {one["attributedTo"], other["attributedTo"]} == {shared.host.iri, shared.guest.iri}


def test_the_page_shows_both_sides_of_what_differs(shared: Shared, admin: Person) -> None:
    lose(shared.host, shared.last.iri)
    shared.compare()
    browser = shared.guest.browser()
    browser.sign_in(admin)

    shown = browser.get(address(shared)).text

    assert "Only here" in shown
    assert shared.last.iri in shown


def test_the_space_says_that_its_copies_are_equal(shared: Shared) -> None:
    reader = shared.guest.person("Ida Holm", Role.MEMBER, PASSWORD)
    shared.guest.join(reader, shared.iri, shared.host)
    shared.compare()
    browser = shared.guest.browser()
    browser.sign_in(reader)

    assert "proved on" in browser.get(f"/spaces/{shared.guest.key_of(shared.iri)}").text


@pytest.mark.parametrize("path", ["/admin/copies", "{}", "{}/evidence.json"])
def test_refuses_who_is_no_administrator(shared: Shared, path: str) -> None:
    member = shared.guest.person("Ida Holm", Role.MEMBER, PASSWORD)
    browser = shared.guest.browser()
    browser.sign_in(member)

    assert browser.get(path.format(address(shared))).status_code == 404


def test_refuses_to_compare_a_space_of_our_own(shared: Shared) -> None:
    admin = shared.host.person("Ada Berg", Role.ADMIN, PASSWORD)
    browser = shared.host.browser()
    browser.sign_in(admin)

    answer = browser.post(f"/admin/copies/{shared.key}/compare", page=f"/admin/copies/{shared.key}")

    assert answer.status_code == 404
    assert shared.host.fact("SELECT count(*) FROM replica_run") == 0


def test_the_command_compares_and_says_how_it_went(shared: Shared) -> None:
    run = CliRunner()
    lose(shared.guest, shared.last.iri)

    with shared.guest.app.app_context():
        compared = run.invoke(compare, [], obj=lambda: given(shared.guest))
        listed = run.invoke(list_copies, [], obj=lambda: given(shared.guest))
        signed = run.invoke(evidence, [shared.guest.key_of(shared.iri)], obj=lambda: given(shared.guest))

    assert compared.exit_code == 0, compared.output
    assert "equal as of rev 6" in compared.output
    assert "1 mended" in compared.output
    assert "equal" in listed.output
    assert json.loads(signed.stdout)["space"] == shared.iri


class given:  # noqa: N801 -- reads as a word
    """The ground of a house, which stays open."""

    def __init__(self, house: House) -> None:
        self.house = house

    def __enter__(self) -> object:
        return self.house.ground

    def __exit__(self, *_: object) -> None:
        return None
