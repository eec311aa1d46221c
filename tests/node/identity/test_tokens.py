"""Tokens of the API: made once, held by scopes, ended at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

import pytest
from werkzeug.test import TestResponse

from node.core.errors import Absent, Invalid
from node.identity.services.people import Role
from node.identity.services.tokens import FOR_ADMINS, Scope
from tests.node.identity.houses import Node


def ask(
    node: Node,
    secret: str,
    path: str = "/api/v1/me",
    method: str = "GET",
    json: Mapping[str, object] | None = None,
) -> TestResponse:
    headers = {"Authorization": f"Bearer {secret}"}
    return node.app.test_client().open(path, method=method, base_url=node.origin, headers=headers, json=json)


def test_a_token_acts_for_its_person_within_its_scopes(node: Node) -> None:
    person = node.person("Inès")
    secret, token = node.identity.create_token(person.id, "script", [Scope.ME_READ])
    answer = ask(node, secret)
    assert answer.json == {
        "id": person.actor,
        "key": person.wire_id,
        "name": "Inès",
        "preferredUsername": "ines",
        "role": "member",
        "createdAt": answer.json["createdAt"],  # type: ignore[index]
        "disabled": False,
        "language": "en",
        "theme": "",
        "scopes": ["me:read"],
    }
    assert token.name == "script"
    refused = ask(node, secret, method="PATCH", json={"theme": "dark"})
    assert refused.status_code == 403
    assert refused.json is not None
    assert refused.json["scope"] == "me:write"


@pytest.mark.parametrize(
    "field", ["Bearer ", "Bearer x", "Basic aW5lczp4", "bearer parvis_", "Bearer parvis_" + "A" * 43, "x"]
)
def test_refuses_a_bad_token_even_beside_a_good_cookie(node: Node, field: str) -> None:
    browser = node.browser()
    browser.sign_in(node.person("Inès"))
    answer = browser.get("/api/v1/me", {"Authorization": field})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_opens_no_page(node: Node) -> None:
    person = node.person("Inès")
    secret, _token = node.identity.create_token(person.id, "script", list(set(Scope) - FOR_ADMINS))
    assert ask(node, secret, "/me").status_code == 404
    assert ask(node, secret, "/me/tokens", "POST").status_code == 404


def test_an_ended_token_is_refused_at_once(node: Node) -> None:
    person, bruno = node.person("Inès"), node.person("Bruno")
    secret, token = node.identity.create_token(person.id, "script", [Scope.ME_READ])
    with pytest.raises(Absent):
        node.identity.end_token(bruno, token.id)
    assert ask(node, secret).status_code == 200
    node.identity.end_token(person, token.id)
    assert ask(node, secret).status_code == 401


def test_an_expired_token_is_refused(node: Node) -> None:
    person = node.person("Inès")
    secret, _token = node.identity.create_token(person.id, "script", [Scope.ME_READ], timedelta(days=1))
    node.clock.move(days=1, seconds=1)
    assert ask(node, secret).status_code == 401


def test_only_the_hash_of_a_token_is_kept(node: Node) -> None:
    person = node.person("Inès")
    secret, _token = node.identity.create_token(person.id, "script", [Scope.ME_READ])
    assert len(secret) >= 43
    for path in node.ground.settings.data_dir.iterdir():
        if path.is_file():
            assert secret.removeprefix("parvis_").encode() not in path.read_bytes()


def test_use_is_noted_at_most_once_a_minute(node: Node) -> None:
    person = node.person("Inès")
    secret, _token = node.identity.create_token(person.id, "script", [Scope.ME_READ])
    ask(node, secret)
    with node.ground.database.counting() as count:
        ask(node, secret)
    assert count.commits == 0
    node.clock.move(minutes=2)
    ask(node, secret)
    with node.ground.database.reading() as db:
        assert node.identity.tokens.of_person(db, person.id, node.clock.now())[0].used_at == node.clock.now()


@pytest.mark.parametrize("scope", sorted(FOR_ADMINS))
def test_a_member_gives_no_administrators_right(node: Node, scope: Scope) -> None:
    person = node.person("Inès")
    with pytest.raises(Invalid):
        node.identity.create_token(person.id, "script", [scope])


@pytest.mark.parametrize(
    ("name", "scopes", "days"),
    [("", [Scope.ME_READ], 1), ("x", [], 1), ("x", [Scope.ME_READ], 0), ("x", [Scope.ME_READ], 367)],
)
def test_refuses_a_token_without_name_scope_or_end(
    node: Node, name: str, scopes: list[Scope], days: int
) -> None:
    person = node.person("Inès")
    with pytest.raises(Invalid):
        node.identity.create_token(person.id, name, scopes, timedelta(days=days))


def test_a_token_loses_what_its_person_loses(node: Node) -> None:
    ada = node.person("Ada", Role.ADMIN)
    node.person("Bea", Role.ADMIN)
    secret, _token = node.identity.create_token(ada.id, "script", [Scope.PEOPLE_ADMIN, Scope.ME_READ])
    new = {"name": "Inès Le Goff"}
    assert ask(node, secret, "/api/v1/people", "POST", new).status_code == 201
    node.identity.give_role(ada.id, Role.MEMBER)
    assert ask(node, secret, "/api/v1/people", "POST", new).status_code == 404
    assert ask(node, secret).json["scopes"] == ["me:read"]  # type: ignore[index]


def test_the_page_makes_shows_once_and_ends_a_token(node: Node) -> None:
    browser = node.browser()
    browser.sign_in(node.person("Inès"))
    page = browser.post("/me/tokens", {"label": "my script", "scopes": ["me:read", "posts:read"]}, page="/me")
    found = re.search(r'value="(parvis_[\w-]{43})"', page.text)
    assert found is not None
    assert found[1] not in browser.get("/me").text
    assert "my script" in browser.get("/me").text
    assert ask(node, found[1]).status_code == 200
    key = re.search(r'action="(/me/tokens/\d+/end)"', page.text)
    assert key is not None
    assert browser.post(key[1], page="/me").status_code == 303
    assert ask(node, found[1]).status_code == 401


@pytest.mark.parametrize(
    "form",
    [
        {"label": "x"},
        {"scopes": "me:read"},
        {"label": "x", "scopes": "everything"},
        {"label": "x", "scopes": "people:admin"},
        {"label": "x", "scopes": "me:read", "days": "1000"},
        {"label": "x", "scopes": "me:read", "days": "x"},
        {"label": "  ", "scopes": "me:read"},
    ],
)
def test_the_page_refuses_what_cannot_be_a_token(node: Node, form: dict[str, str]) -> None:
    browser = node.browser()
    browser.sign_in(node.person("Inès"))
    assert browser.post("/me/tokens", form, page="/me").status_code == 422
    assert node.count("token") == 0


def test_the_api_lists_and_ends_sessions_and_tokens(node: Node) -> None:
    person, browser = node.person("Inès"), node.browser()
    browser.sign_in(person)
    secret, _token = node.identity.create_token(person.id, "script", [Scope.ME_READ, Scope.ME_WRITE])
    sessions = ask(node, secret, "/api/v1/me/sessions").json
    assert isinstance(sessions, list)
    assert ask(node, secret, f"/api/v1/me/sessions/{sessions[0]['key']}", "DELETE").status_code == 204
    assert not browser.is_in()
    tokens = ask(node, secret, "/api/v1/me/tokens").json
    assert isinstance(tokens, list)
    assert tokens[0]["name"] == "script"
    assert ask(node, secret, f"/api/v1/me/tokens/{tokens[0]['key']}", "DELETE").status_code == 204
    assert ask(node, secret).status_code == 401


def test_the_api_administers_people(node: Node) -> None:
    ada = node.person("Ada", Role.ADMIN)
    secret, _token = node.identity.create_token(ada.id, "script", [Scope.PEOPLE_ADMIN, Scope.PEOPLE_READ])
    made = ask(
        node, secret, "/api/v1/people", "POST", {"name": "Inès Le Goff", "preferredUsername": "ines"}
    ).json
    assert made is not None
    key = made["person"]["key"]
    assert made["link"].startswith(f"{node.origin}/welcome/")
    assert node.browser().get(made["link"].removeprefix(node.origin)).status_code == 303
    assert ask(node, secret, f"/api/v1/people/{key}").json == made["person"]
    again = ask(node, secret, f"/api/v1/people/{key}/link", "POST").json
    assert again is not None
    assert node.browser().get(made["link"].removeprefix(node.origin)).status_code == 404
    for change, status in (({"role": "admin"}, 200), ({"disabled": True}, 200), ({"role": "owner"}, 422)):
        assert ask(node, secret, f"/api/v1/people/{key}", "PATCH", change).status_code == status
    listed = ask(node, secret, "/api/v1/people?limit=1").json
    assert listed is not None
    assert listed["next"] == "ada"
    listed = ask(node, secret, "/api/v1/people?limit=1&after=ada").json
    assert listed is not None
    assert (listed["items"][0]["disabled"], listed["next"]) == (True, None)
    assert ask(node, secret, f"/api/v1/people/{key}/link", "POST").status_code == 403
    assert ask(node, secret, f"/api/v1/people/{key}", "PATCH", {"disabled": False}).status_code == 200
    assert ask(node, secret, "/api/v1/people/nobody").status_code == 404


def test_no_mail_address_leaves_by_the_api(node: Node) -> None:
    from node.identity.services.people import Claims

    ada = node.person("Ada", Role.ADMIN)
    claims = Claims("https://login.example", "7", "Inès", email="ines@example.org")
    node.identity.expect_person(claims, Role.MEMBER)
    secret, _token = node.identity.create_token(ada.id, "script", [Scope.PEOPLE_READ])
    assert "example.org" not in ask(node, secret, "/api/v1/people").text
