"""Requests that a page of ours did not make: every door of identity that changes something (SECURITY H8)."""

from __future__ import annotations

import pytest

from tests.node.identity.houses import PASSWORD, Node

DOORS = [
    "/signin",
    "/signin/op",
    "/signout",
    "/me/preferences",
    "/me/sessions/1/end",
    "/me/sessions/end",
    "/me/tokens",
    "/me/tokens/1/end",
]


@pytest.mark.parametrize("door", DOORS)
def test_refuses_a_form_without_its_token(node: Node, door: str) -> None:
    browser = node.browser()
    browser.sign_in(node.person("Inès"))
    form = {"csrf_token": "", "name": "ines", "password": PASSWORD, "label": "x", "scopes": "me:read"}
    assert browser.post(door, form, page="/me").status_code == 403
    assert browser.is_in()
    assert node.count("token") == 0


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "field", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_refuses_a_form_of_another_site(node: Node, door: str, field: dict[str, str]) -> None:
    browser = node.browser()
    browser.sign_in(node.person("Inès"))
    assert browser.post(door, page="/me", headers=field).status_code == 403
    assert browser.is_in()


def test_refuses_a_form_token_of_another_browser(node: Node) -> None:
    person = node.person("Inès")
    eve, victim = node.browser(), node.browser()
    form = {"csrf_token": eve.token(), "name": person.preferred_username, "password": PASSWORD}
    victim.get("/signin")
    assert victim.post("/signin", form).status_code == 403
    assert not victim.is_in()


def test_looking_at_a_link_changes_nothing(node: Node) -> None:
    browser = node.browser()
    browser.sign_in(node.person("Inès"))
    for door in DOORS:
        browser.get(door)
    assert browser.is_in()
