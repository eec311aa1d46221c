"""Sign-in with a certified provider, run for real: what works, and what a third party may try between the two."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from federation.authn import SignIn
from node.identity.services.people import Claims, Role
from tests.node.identity.flows import asked, begin, come_back, configured, sign_in
from tests.node.identity.houses import ORIGIN, Browser, MakeNode, Node
from tests.providers.real import ALGORITHMS, RealProvider, Visitor, client_of


@pytest.fixture(scope="module")
def provider() -> Iterator[RealProvider]:
    clients = [
        client_of(ORIGIN, "op"),
        *(client_of(ORIGIN, "op", f"node-{alg}", id_token_signed_response_alg=alg) for alg in ALGORITHMS),
        client_of(ORIGIN, "op", "node-public", secret="", token_endpoint_auth_method="none"),
    ]
    with RealProvider(clients) as real:
        yield real


@pytest.fixture
def node(make_node: MakeNode, provider: RealProvider) -> Node:
    return make_node(providers=(configured(provider),))


def people(node: Node) -> list[tuple[str, str, str | None]]:
    with node.ground.database.reading() as db:
        return [
            (each.name, each.preferred_username, each.email) for each in node.identity.people.everybody(db)
        ]


def refusal(node: Node, reason: str) -> bool:
    return any("refused.unauthenticated" in line and f"signin.{reason}" in line for line in node.audited())


def test_a_person_comes_in_and_is_known_the_next_time(node: Node) -> None:
    browser = node.browser()
    answer = sign_in(browser, next_path="/me")
    assert (answer.status_code, answer.location) == (303, "/me")
    assert browser.is_in()
    assert people(node) == [("Inès Le Goff", "ines", "ines@aubier.example")]
    assert browser.cookie("parvis-visit") is None
    assert any('signin.done {"provider": "op"}' in line for line in node.audited())
    sign_in(node.browser())
    assert node.count("person") == 1
    assert node.count("session") == 2


def test_the_provider_asks_for_a_password_where_it_wants_one(node: Node) -> None:
    browser = node.browser()
    assert sign_in(browser, "bruno", "only-for-tests").status_code == 303
    assert browser.is_in()


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_every_listed_algorithm_works(make_node: MakeNode, provider: RealProvider, alg: str) -> None:
    node = make_node(providers=(configured(provider, client_id=f"node-{alg}"),))
    browser = node.browser()
    assert sign_in(browser).status_code == 303
    assert browser.is_in()


def test_a_public_client_works(make_node: MakeNode, provider: RealProvider) -> None:
    node = make_node(providers=(configured(provider, client_id="node-public", secret=""),))
    browser = node.browser()
    sign_in(browser)
    assert browser.is_in()


def test_claims_in_the_id_token_need_no_second_request(make_node: MakeNode) -> None:
    with RealProvider([client_of(ORIGIN, "op")], name="thick", thin=False) as thick:
        node = make_node(providers=(configured(thick),))
        sign_in(node.browser())
        assert people(node) == [("Inès Le Goff", "ines", "ines@aubier.example")]


def test_the_question_is_code_with_s256_nonce_and_state(node: Node, provider: RealProvider) -> None:
    address = begin(node.browser())
    question = asked(address)
    assert address.startswith(f"{provider.issuer}/auth?")
    assert question["response_type"] == "code"
    assert question["code_challenge_method"] == "S256"
    assert question["redirect_uri"] == f"{ORIGIN}/auth/callback/op"
    assert question["scope"] == "openid profile email"
    assert all(len(question[name]) >= 43 for name in ("state", "nonce", "code_challenge"))
    assert asked(begin(node.browser()))["state"] != question["state"]


def test_the_door_may_lead_to_the_provider_only(node: Node, provider: RealProvider) -> None:
    page = node.browser().get("/signin")
    policy = page.headers["Content-Security-Policy"]
    assert f"form-action 'self' {provider.issuer};" in policy
    assert "Aubier’s own sign-in" in page.text
    assert node.browser().get("/signin/op").status_code == 405


def test_a_new_name_at_the_provider_is_followed_and_a_new_mail_changes_nobody(
    node: Node, provider: RealProvider
) -> None:
    provider.user("lea", {"name": "Léa Bois", "email": "lea@aubier.example"})
    provider.user("eve", {"name": "Ève Faux", "email": "lea@aubier.example", "email_verified": True})
    sign_in(node.browser(), "lea")
    provider.user("lea", {"name": "Léa Bois-Martin", "email": "lea.bois@aubier.example"})
    sign_in(node.browser(), "lea")
    sign_in(node.browser(), "eve")
    assert people(node) == [
        ("Ève Faux", "eve", "lea@aubier.example"),
        ("Léa Bois-Martin", "lea", "lea.bois@aubier.example"),
    ]
    with node.ground.database.reading() as db:
        lea = node.identity.people.by_handle(db, "lea")
        assert "Bois-Martin" in node.identity.actors.of_person(db, lea.id).document.decode()


def test_a_built_in_account_with_the_same_mail_and_name_is_somebody_else(node: Node) -> None:
    node.person("ines")
    sign_in(node.browser())
    assert [handle for _name, handle, _mail in people(node)] == ["ines", "ines2"]


def test_refuses_who_has_left_and_does_not_make_her_anew(node: Node) -> None:
    browser = node.browser()
    sign_in(browser)
    with node.ground.database.reading() as db:
        ines = node.identity.people.by_handle(db, "ines")
    node.identity.disable(ines.id)
    assert not browser.is_in()
    assert sign_in(node.browser()).status_code == 403
    assert node.count("person") == 1
    assert refusal(node, "AccountClosed")


def test_where_sign_in_makes_nobody_only_the_expected_come_in(
    make_node: MakeNode, provider: RealProvider
) -> None:
    node = make_node(providers=(configured(provider, creates_people=False),))
    assert sign_in(node.browser()).status_code == 403
    assert node.count("person") == 0
    assert refusal(node, "NotAdmitted")
    node.identity.expect_person(Claims(provider.issuer, "ines", "Inès"), Role.ADMIN)
    browser = node.browser()
    assert sign_in(browser).status_code == 303
    assert browser.is_in()
    assert people(node)[0][0] == "Inès Le Goff"


def test_a_sign_in_replaces_the_session_that_the_browser_had(node: Node) -> None:
    browser, thief = node.browser(), node.browser()
    browser.put("parvis", "chosen-by-an-attacker-0123456789abcdef0123456")
    sign_in(browser)
    first = browser.cookie()
    assert first is not None
    assert "chosen" not in first
    thief.put("parvis", first)
    address = Visitor().walk(begin_again(browser), "ines")
    come_back(browser, address)
    assert browser.cookie() not in {None, first}
    assert not thief.is_in()


def begin_again(browser: Browser) -> str:
    """Presses the provider's button while signed in (the door itself leads on)."""
    answer = browser.post("/signin/op", page="/me")
    assert answer.status_code == 303
    return answer.location


def test_refuses_the_answer_in_another_browser(node: Node) -> None:
    eve, victim = node.browser(), node.browser()
    address = Visitor().walk(begin(eve), "ines")
    assert come_back(victim, address).status_code == 400
    assert not victim.is_in()
    begin(victim)
    assert come_back(victim, address).status_code == 400
    assert not victim.is_in()
    assert refusal(node, "state")


def test_refuses_the_same_answer_twice(node: Node) -> None:
    browser = node.browser()
    address = Visitor().walk(begin(browser), "ines")
    kept = browser.cookie("parvis-visit")
    assert kept is not None
    assert come_back(browser, address).status_code == 303
    assert come_back(browser, address).status_code == 400
    thief = node.browser()
    thief.put("parvis-visit", kept)
    assert come_back(thief, address).status_code == 400
    assert not thief.is_in()
    assert node.count("session") == 1


def test_a_state_begins_one_session_even_if_the_provider_forgets_its_codes(node: Node) -> None:
    from node.identity.services.identity import Browser as SeenBrowser
    from node.identity.services.sessions import StateUsed

    claims, seen = Claims("https://login.example", "1", "Inès"), SeenBrowser("", "192.0.2.1")
    more = {"provider": "op", "provider_session": None, "state": "s-1", "sign_in": SignIn(claims.issuer)}
    node.identity.sign_in_with_claims(claims, creates=True, browser=seen, **more)  # type: ignore[arg-type]
    with pytest.raises(StateUsed):
        node.identity.sign_in_with_claims(claims, creates=True, browser=seen, **more)  # type: ignore[arg-type]


def test_refuses_a_code_of_another_sign_in(node: Node) -> None:
    """Code injection: the verifier is of this browser, the code of the other (PKCE, RFC 9700 4.5)."""
    eve, victim = node.browser(), node.browser()
    stolen = parse_qs(urlsplit(Visitor().walk(begin(victim), "ines")).query)["code"][0]
    mine = parse_qs(urlsplit(Visitor().walk(begin(eve), "bruno", "only-for-tests")).query)
    answer = {"state": mine["state"][0], "iss": mine["iss"][0], "code": stolen}
    assert eve.get(f"/auth/callback/op?{urlencode(answer)}").status_code == 400
    assert not eve.is_in()
    assert refusal(node, "code")


def test_refuses_an_answer_that_took_more_than_ten_minutes(node: Node) -> None:
    browser = node.browser()
    address = Visitor().walk(begin(browser), "ines")
    node.clock.move(minutes=10, seconds=1)
    assert come_back(browser, address).status_code == 400
    assert not browser.is_in()


def test_refuses_an_answer_without_the_issuer_that_the_provider_promised(node: Node) -> None:
    browser = node.browser()
    address = Visitor().walk(begin(browser), "ines")
    values = parse_qs(urlsplit(address).query)
    assert "iss" in values
    for issuer in ("", "http://evil.localhost:1", values["iss"][0] + "/", values["iss"][0].upper()):
        answer = {
            "code": values["code"][0],
            "state": values["state"][0],
            **({"iss": issuer} if issuer else {}),
        }
        again = node.browser()
        again.put("parvis-visit", browser.cookie("parvis-visit") or "")
        assert again.get(f"/auth/callback/op?{urlencode(answer)}").status_code == 400
        assert not again.is_in()
    assert refusal(node, "issuer")


def test_says_so_when_the_provider_refuses(node: Node) -> None:
    browser = node.browser()
    question = asked(begin(browser))
    script = "<script>alert(1)</script>"
    answer = {
        "error": "access_denied",
        "error_description": script,
        "state": question["state"],
        "iss": node.ground.settings.providers[0].issuer,
    }
    page = browser.get(f"/auth/callback/op?{urlencode(answer)}")
    assert page.status_code == 400
    assert "script>alert" not in page.text
    assert "Start again" in page.text
    assert refusal(node, "provider-refused")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "code=x",
        "state=x",
        "code=x&state=x",
        "code=x&code=y&state=x",
        "state=x&state=y&code=x",
        "error=x",
        "code=" + "x" * 3000,
        "code=%00&state=%00",
    ],
)
def test_refuses_an_answer_that_nobody_asked_for(node: Node, query: str) -> None:
    browser = node.browser()
    assert browser.get(f"/auth/callback/op?{query}").status_code == 400
    assert node.count("session") == 0


def test_an_unknown_provider_is_absent(node: Node) -> None:
    browser = node.browser()
    assert browser.get("/auth/callback/other?code=x&state=x").status_code == 404
    assert browser.post("/signin/other").status_code == 404


def test_a_visit_that_was_changed_is_no_visit(node: Node) -> None:
    browser = node.browser()
    address = Visitor().walk(begin(browser), "ines")
    kept = browser.cookie("parvis-visit") or ""
    middle = len(kept) // 2  # not the last character, which has bits that mean nothing
    other_letter = "A" if kept[middle] != "A" else "B"
    for changed in (kept[:middle] + other_letter + kept[middle + 1 :], kept[10:], "x", "é", ""):
        again = node.browser()
        again.client.set_cookie("parvis-visit", changed, domain=again.host)
        assert come_back(again, address).status_code == 400
    other = node.ground.vault.seal(b"{}", "another purpose")
    import base64

    again = node.browser()
    again.put("parvis-visit", base64.urlsafe_b64encode(other).decode())
    assert come_back(again, address).status_code == 400


def test_the_verifier_is_not_readable_in_the_cookie(node: Node) -> None:
    import base64

    browser = node.browser()
    question = asked(begin(browser))
    kept = browser.cookie("parvis-visit") or ""
    assert question["state"].encode() not in base64.urlsafe_b64decode(kept + "==")
