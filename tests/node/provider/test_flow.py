"""A member signs in at a partner with what he or she is at home; and what is refused at each door on the way."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation import assertions, tokens
from node.core.clock import SetClock
from node.identity.services.people import Person
from node.relations.services.desk import By
from tests.node.identity.houses import PASSWORD, Browser
from tests.node.provider.client import ASSERTION, Client, answered
from tests.node.relations.peers import peered, rows_of
from tests.node.spaces.world import House, opened


@pytest.fixture
def client(partners: tuple[House, House]) -> Client:
    """Aubier as a client of Nord Acier."""
    aubier, nord = partners
    return Client(aubier, nord)


@pytest.fixture
def claire(client: Client) -> Person:
    """Somebody of Nord Acier."""
    return client.at.person("Claire Morel", password=PASSWORD)


@pytest.fixture
def browser(client: Client, claire: Person) -> Browser:
    """Claire's browser, signed in at home."""
    opened_browser = client.at.browser()
    opened_browser.sign_in(claire)
    return opened_browser


def test_the_configuration_says_what_is_offered(client: Client) -> None:
    said = (
        client.at.app.test_client()
        .get("/.well-known/openid-configuration", base_url=client.at.origin)
        .get_json()
    )
    assert said["issuer"] == client.at.origin
    assert said["require_pushed_authorization_requests"] is True
    assert said["authorization_response_iss_parameter_supported"] is True
    assert said["token_endpoint_auth_signing_alg_values_supported"] == ["EdDSA"]


def test_a_member_agrees_once_and_is_known_next_door(client: Client, browser: Browser) -> None:
    request_uri = client.request_uri()
    asked = browser.get(client.address(request_uri))
    assert "Claire Morel" in asked.text
    answer = answered(client.agree(browser, request_uri))
    assert answer["to"] == client.redirect_uri
    assert (answer["state"], answer["iss"]) == (client.state, client.at.origin)

    got = client.redeem(answer["code"])
    assert got.status_code == 200, got.text
    assert got.headers["Cache-Control"] == "no-store"
    said = got.get_json()
    assert (said["token_type"], said["expires_in"]) == ("Bearer", 300)
    now = int(client.at.clock.now().timestamp())
    expected = assertions.Expected(
        client.at.origin, client.house.iri, client.nonce, said["access_token"], now
    )
    claims = assertions.id_token(said["id_token"], client.keys(), expected)
    assert claims["actor"].startswith(f"{client.at.origin}/people/")
    assert (claims["name"], claims["acr"], claims["amr"]) == ("Claire Morel", "0", ["pwd"])
    assert claims["org"] == {"id": client.at.iri, "name": "Nord Acier"}
    assert "email" not in claims
    assertions.check_partner(claims, client.house.relation(client.at), client.at.clock.now())

    again = browser.get(client.address(client.request_uri()))
    assert answered(again)["code"]


def test_consent_names_the_spaces_where_both_meet(client: Client) -> None:
    aubier, nord = client.house, client.at
    marie, paul = aubier.person("Marie"), nord.person("Paul", password=PASSWORD)
    iri = opened(aubier, nord, aubier.space(marie, "Passerelle"), marie, paul)
    nord.join(paul, iri, aubier)
    nord.space(paul, "Entre nous")
    browser = nord.browser()
    browser.sign_in(paul)
    shown = browser.get(client.address(client.request_uri())).text
    assert "Passerelle" in shown
    assert "Entre nous" not in shown


def test_not_now_goes_back_without_a_code(client: Client, browser: Browser) -> None:
    answer = answered(client.agree(browser, client.request_uri(), "no"))
    assert answer["error"] == "access_denied"
    assert (answer["to"], answer["state"], answer["iss"]) == (
        client.redirect_uri,
        client.state,
        client.at.origin,
    )
    assert client.at.count("consent") == client.at.count("partner_grant") == 0


def test_who_is_not_signed_in_signs_in_first_and_comes_back(client: Client) -> None:
    visitor = client.at.browser()
    lead = visitor.get(client.address(client.request_uri()))
    assert lead.status_code == 303
    assert lead.headers["Location"].startswith("/signin?next=/oauth/authorize?client_id%3D")


NOT_AS_AGREED: list[dict[str, Any]] = [
    {"redirect_uri": "https://evil.example/"},
    {"redirect_uri": "{ours}/"},
    {"redirect_uri": "{ours}?x=1"},
    {"redirect_uri": None},
    {"response_type": "token"},
    {"response_type": "code id_token"},
    {"response_type": None},
    {"scope": "openid admin"},
    {"scope": "email"},
    {"scope": None},
    {"state": None},
    {"nonce": None},
    {"nonce": "n" * 513},
    {"code_challenge": None},
    {"code_challenge": "short"},
    {"code_challenge_method": "plain"},
    {"code_challenge_method": None},
    {"max_age": "-1"},
    {"max_age": "soon"},
    {"request_uri": "urn:ietf:params:oauth:request_uri:x"},
    {"request": "e30.e30.x"},
    {"state": ["a", "b"]},
    {"state": "s" * 2049},
]


def test_a_request_that_is_not_as_agreed_is_not_taken(client: Client) -> None:
    for changes in NOT_AS_AGREED:
        filled = {
            name: value.format(ours=client.redirect_uri) if isinstance(value, str) else value
            for name, value in changes.items()
        }
        refused = client.push(**filled)
        assert refused.status_code == 400, changes
        assert "Location" not in refused.headers, changes
        assert refused.get_json()["error"], changes
    assert client.at.count("pushed_request") == 0


def _another_key(client: Client) -> str:
    now = int(client.house.clock.now().timestamp())
    said = {"iss": client.house.iri, "sub": client.house.iri, "aud": client.at.origin, "iat": now}
    said |= {"exp": now + 60, "jti": secrets.token_urlsafe()}
    return tokens.sign(said, Ed25519PrivateKey.generate(), client.key().public.multibase)


UNPROVED: list[dict[str, Any]] = [
    {"client_assertion": _another_key},
    {"client_assertion": lambda client: client.assertion(iss="https://evil.example/actor")},
    {"client_assertion": lambda client: client.assertion(sub="https://evil.example/actor")},
    {"client_assertion": lambda client: client.assertion(aud=client.house.origin)},
    {"client_assertion": lambda client: client.assertion(aud=[client.at.origin, "https://evil.example"])},
    {"client_assertion": lambda client: client.assertion(exp=0)},
    {"client_assertion": lambda client: client.assertion(exp=None)},
    {"client_assertion": lambda client: client.assertion(iat=1)},
    {"client_assertion": lambda client: client.assertion(jti=None)},
    {"client_assertion": lambda _client: "e30.e30.e30"},
    {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
    {"client_assertion_type": None, "client_secret": "secret"},
    {"client_id": "https://evil.example/actor"},
    {"client_id": None},
]


def test_who_does_not_prove_to_be_a_partner_is_refused_at_both_doors(
    client: Client, browser: Browser
) -> None:
    code = client.code(browser)
    for changes in UNPROVED:
        for door in (client.push, lambda **form: client.redeem(code, **form)):
            form = {name: value(client) if callable(value) else value for name, value in changes.items()}
            refused = door(**form)
            assert refused.status_code in {400, 401}, changes
            assert refused.get_json()["error"] == "invalid_client", changes
    assert client.redeem(code).status_code == 200, "the code of somebody else was not touched"


def test_an_assertion_is_good_once(client: Client) -> None:
    proof = client.assertion()
    assert client.push(client_assertion=proof).status_code == 201
    assert client.push(client_assertion=proof).get_json()["error"] == "invalid_client"


def test_without_an_agreement_in_force_there_is_no_client(client: Client, browser: Browser) -> None:
    request_uri = client.request_uri()
    code = client.code(browser)
    client.at.relations.suspend(client.at.partner(client.house).key, "incident", "en", by=By("", "Paul"))
    before = rows_of(client.at)
    assert client.push().get_json()["error"] == "invalid_client"
    assert client.redeem(code).get_json()["error"] == "invalid_client"
    stranger = browser.get("/oauth/authorize?client_id=https://nobody.example/actor&request_uri=x")
    suspended = browser.get(client.address(request_uri))
    assert (stranger.status_code, suspended.status_code) == (400, 400)
    assert before == rows_of(client.at)


def test_a_request_of_another_client_or_of_nobody_leads_nowhere(client: Client, browser: Browser) -> None:
    request_uri = client.request_uri()
    for address in (
        f"/oauth/authorize?client_id={client.at.iri}&request_uri={request_uri}",
        client.address("urn:ietf:params:oauth:request_uri:unheard-of"),
        client.address(request_uri.rpartition(":")[2]),
        "/oauth/authorize",
        client.address("") + "&redirect_uri=https://evil.example",
    ):
        refused = browser.get(address)
        assert refused.status_code == 400
        assert not {"Location", "Refresh"} & set(refused.headers.keys())


def test_a_request_is_answered_once_and_not_after_ten_minutes(
    client: Client, browser: Browser, clock: SetClock
) -> None:
    request_uri = client.request_uri()
    client.agree(browser, request_uri)
    assert browser.get(client.address(request_uri)).status_code == 400
    late = client.request_uri()
    clock.move(minutes=10)
    assert browser.get(client.address(late)).status_code == 400


UNBOUND: list[dict[str, Any]] = [
    {"code_verifier": None},
    {"code_verifier": "x" * 43},
    {"redirect_uri": "https://evil.example/"},
    {"redirect_uri": None},
]


def test_a_code_is_bound_to_what_was_asked(client: Client, browser: Browser) -> None:
    for changes in UNBOUND:
        code = client.code(browser)
        assert client.redeem(code, **changes).status_code == 400, changes
        assert client.redeem(code).status_code == 400, "a code is used up by a wrong try, too"


def test_a_code_holds_a_minute(client: Client, browser: Browser, clock: SetClock) -> None:
    code = client.code(browser)
    clock.move(seconds=60)
    assert client.redeem(code).get_json()["error"] == "invalid_grant"


def test_a_code_that_comes_twice_ends_what_it_gave(client: Client, browser: Browser) -> None:
    code = client.code(browser)
    got = client.redeem(code).get_json()
    assert client.redeem(code).get_json()["error"] == "invalid_grant"
    assert client.refresh(got["refresh_token"]).get_json()["error"] == "invalid_grant"


def test_a_code_of_one_client_is_nothing_for_another(client: Client, browser: Browser, leroux: House) -> None:
    peered(leroux, client.at)
    code = client.code(browser)
    other = Client(leroux, client.at, verifier=client.verifier)
    assert other.redeem(code, redirect_uri=client.redirect_uri).get_json()["error"] == "invalid_grant"
    assert client.redeem(code).get_json()["error"] == "invalid_grant", "whose code it was has to begin anew"


def test_a_refresh_token_is_good_once_and_its_theft_ends_all(client: Client, browser: Browser) -> None:
    first = client.redeem(client.code(browser)).get_json()
    second = client.refresh(first["refresh_token"])
    assert second.status_code == 200, second.text
    assert second.get_json()["refresh_token"] != first["refresh_token"]
    assert "id_token" not in second.get_json()
    assert client.refresh(first["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert client.refresh(second.get_json()["refresh_token"]).get_json()["error"] == "invalid_grant"


@pytest.mark.parametrize("how", ["signs out", "is disabled", "ends other sessions", "eight hours"])
def test_what_was_granted_ends_with_the_session_at_home(
    client: Client, browser: Browser, claire: Person, clock: SetClock, how: str
) -> None:
    got, code = client.redeem(client.code(browser)).get_json(), client.code(browser)
    if how == "signs out":
        browser.post("/signout", page="/me")
    elif how == "is disabled":
        client.at.identity.disable(claire.id)
    elif how == "ends other sessions":
        client.at.identity.end_other_sessions(claire, but=0)
    else:
        clock.move(hours=8)
    assert client.refresh(got["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert client.redeem(code).get_json()["error"] == "invalid_grant"


def test_other_grants_are_not_offered(client: Client) -> None:
    for grant in (
        "client_credentials",
        "password",
        "implicit",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
    ):
        refused = client.post(
            "/oauth/token", client.proved({"grant_type": grant, "assertion": client.assertion()})
        )
        assert refused.get_json()["error"] == "unsupported_grant_type"
    assert ASSERTION.endswith("jwt-bearer")


def test_a_partner_may_ask_for_a_stronger_or_later_sign_in(
    client: Client, browser: Browser, clock: SetClock
) -> None:
    for asked in ({"acr_values": "phr phrh"}, {"max_age": "0"}):
        clock.move(minutes=6)
        lead = browser.get(client.address(client.request_uri(**asked)))
        assert lead.status_code == 303
        assert lead.headers["Location"].startswith("/me/again?")
    assert client.code(browser, acr_values="0 phr", max_age="3600")


def test_the_question_cannot_be_answered_from_another_page(client: Client, browser: Browser) -> None:
    request_uri = client.request_uri()
    form = {"client_id": client.house.iri, "request_uri": request_uri, "answer": "yes"}
    forged = browser.post("/oauth/authorize", form, page="/me", headers={"Origin": "https://evil.example"})
    assert forged.status_code == 403
    assert client.at.count("consent") == 0
