"""The main walks of identity on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest

from federation.authn import SignIn
from node.core.errors import Absent, NodeError
from node.identity.services.accounts import hash_password
from node.identity.services.identity import Browser as SeenBrowser
from node.identity.services.people import Claims, Role
from node.identity.services.tokens import Scope
from tests.node.identity.houses import PASSWORD, MakeNode, Node


@pytest.fixture
def node(make_node: MakeNode, database_url: str) -> Node:
    return make_node(database_url=database_url)


def test_from_the_first_link_to_a_token_and_out_again(node: Node) -> None:
    link = f"/welcome/{node.identity.first_admin_link()}"
    browser = node.browser()
    browser.post(link, {"display_name": "Ada", "name": "ada", "password": PASSWORD}, page=link)
    assert browser.is_in()
    with node.ground.database.reading() as db:
        ada = node.identity.people.by_handle(db, "ada")
        assert node.identity.people.active(db) == [ada]
        assert list(node.identity.people.of_actors(db, [ada.actor, "https://other.example/people/x"])) == [
            ada.actor
        ]
    secret, _token = node.identity.create_token(ada.id, "script", [Scope.ME_READ])
    bearer = {"Authorization": f"Bearer {secret}"}
    assert node.browser().get("/api/v1/me", bearer).status_code == 200
    node.person("Bea", Role.ADMIN)
    node.clock.move(minutes=5)
    assert browser.is_in()
    node.identity.disable(ada.id)
    assert not browser.is_in()
    assert node.browser().get("/api/v1/me", bearer).status_code == 401
    with node.ground.database.reading() as db:
        assert node.ground.audit.verify(db) > 0


def together(count: int, act: object) -> None:
    barrier = Barrier(count)

    def run(number: int) -> None:
        barrier.wait()
        act(number)  # type: ignore[operator]

    threads = [Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_of_many_uses_of_a_link_at_once_one_succeeds(node: Node) -> None:
    secret, hashed, done = node.identity.first_admin_link(), hash_password(PASSWORD), []

    def use(number: int) -> None:
        try:
            with node.ground.database.writing() as db:
                node.identity.accounts.use(db, secret, "Ada", f"ada{number}", hashed, node.clock.now())
        except Absent:
            return
        done.append(number)

    together(8, use)
    assert len(done) == 1


def test_two_first_sign_ins_at_once_make_one_person(node: Node) -> None:
    claims, failed = Claims("https://login.example", "7", "Inès"), []

    def enter(number: int) -> None:
        try:
            node.identity.sign_in_with_claims(
                claims,
                provider="op",
                provider_session=None,
                creates=True,
                state=f"s-{number}",
                sign_in=SignIn("https://login.example"),
                browser=SeenBrowser("", "192.0.2.1"),
            )
        except NodeError:
            failed.append(number)

    together(2, enter)
    assert not failed
    assert node.count("person") == 1
    assert node.count("session") == 2
