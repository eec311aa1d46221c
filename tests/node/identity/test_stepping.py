"""Signing in once more (RFC 9470): what a provider must say then, and what is kept of how somebody signed in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from federation.authn import SignIn
from tests.node.identity.flows import answer, asked, configured
from tests.node.identity.houses import Browser, MakeNode, Node
from tests.providers.forged import ForgedProvider


@pytest.fixture
def provider() -> Iterator[ForgedProvider]:
    with ForgedProvider() as forged:
        yield forged


@pytest.fixture
def node(make_node: MakeNode, provider: ForgedProvider) -> Node:
    return make_node(providers=(configured(provider),))


def _sign_in(node: Node) -> SignIn:
    """Of the one session that lives."""
    with node.ground.database.reading() as db:
        people = node.identity.people.everybody(db)
        return node.identity.sessions.of_person(db, people[0].id, node.ground.clock.now())[0].sign_in


def _again(browser: Browser, provider: ForgedProvider, **claims: Any) -> int:
    """Signs in, then once more with an age of at most a minute; how that was answered."""
    assert answer(browser, provider).status_code == 303
    lead = browser.post("/me/again", {"max_age": "60", "acr_values": "phr", "next": "/me"}, page="/me")
    request = asked(lead.location)
    assert (request["max_age"], request["acr_values"]) == ("60", "phr")
    provider.claims = {**provider.claims, "nonce": request["nonce"], **claims}
    query = urlencode({"code": "c-2", "state": request["state"]})
    return browser.get(f"/auth/callback/op?{query}").status_code


def test_what_a_provider_says_is_kept_as_it_is_called_here(node: Node, provider: ForgedProvider) -> None:
    provider.claims |= {"acr": "phr", "amr": ["hwk", "user", 7, "a b"], "auth_time": 1_700_000_000}
    provider.claims |= {"email": "ines@Aubier.example", "email_verified": True}
    assert answer(node.browser(), provider).status_code == 303
    assert _sign_in(node) == SignIn(provider.issuer, "phr", ("hwk", "user"), 1_700_000_000, "aubier.example")


@pytest.mark.parametrize(
    "claims",
    [
        {"acr": "urn:unknown", "email": "ines@aubier.example"},
        {"acr": 2, "amr": "pwd", "auth_time": "now", "email": "a@b.example", "email_verified": "true"},
        {"auth_time": -1, "email_verified": True},
        {"auth_time": True},
    ],
)
def test_what_is_unknown_or_unconfirmed_counts_for_nothing(
    node: Node, provider: ForgedProvider, claims: dict[str, Any]
) -> None:
    provider.claims |= claims
    assert answer(node.browser(), provider).status_code == 303
    assert _sign_in(node) == SignIn(provider.issuer)


def test_a_late_sign_in_is_as_good_as_it_was_asked_for(node: Node, provider: ForgedProvider) -> None:
    now = int(time.time())
    assert _again(node.browser(), provider, auth_time=now - 30, acr="phr") == 303
    assert (_sign_in(node).acr, _sign_in(node).auth_time) == ("phr", now - 30)


@pytest.mark.parametrize("claims", [{}, {"auth_time": 1_700_000_000}, {"auth_time": "1700000000"}])
def test_a_provider_that_did_not_ask_again_is_not_believed(
    node: Node, provider: ForgedProvider, claims: dict[str, Any]
) -> None:
    browser = node.browser()
    assert _again(browser, provider, **claims) == 400
    assert node.count("session") == 1
    assert any("signin.auth-time" in line for line in node.audited())


def test_nobody_steps_up_who_is_not_signed_in(node: Node) -> None:
    visitor = node.browser()
    assert visitor.get("/me/again?max_age=60").location.startswith("/signin")
    assert visitor.post("/me/again", {"password": "x"}).status_code == 303
    assert node.count("session") == 0


@pytest.mark.parametrize("path", ["https://evil.example/", "//evil.example", "/signin/op"])
def test_a_step_up_leads_to_no_other_house(node: Node, provider: ForgedProvider, path: str) -> None:
    browser = node.browser()
    answer(browser, provider)
    assert browser.get("/me/again?max_age=long").status_code == 200
    shown = browser.get("/me/again?" + urlencode({"next": path, "max_age": "60"})).text
    assert 'name="next" value="/"' in shown
