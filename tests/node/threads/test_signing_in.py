"""Where a charter asks how people signed in: two houses, and a real OpenID provider (PROTOCOL 2.d, L1; RFC 9470)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Engine, event

from federation.authn import SignIn
from node.core.errors import StepUp
from node.exchange import service as exchange
from node.identity.services.people import Person, Role
from node.identity.services.tokens import Scope
from node.spaces.services.spaces import By
from node.threads.services import posting
from node.threads.services.posting import Draft
from tests.node.identity.flows import asked, come_back
from tests.node.identity.houses import PASSWORD, Browser
from tests.node.spaces.world import House, MakeHouse, exchange_all, opened, peered
from tests.providers.real import SECRET, RealProvider, Visitor, client_of

NORD = "http://nord-acier.localhost:8101"


@pytest.fixture(scope="module")
def provider() -> Iterator[RealProvider]:
    with RealProvider([client_of(NORD, "op")]) as real:
        yield real


@pytest.fixture
def nord(make_house: MakeHouse, provider: RealProvider) -> House:
    known = {"name": "op", "label": "Nord Acier’s sign-in", "issuer": provider.issuer, "client_id": "node"}
    return make_house("nord-acier", "Nord Acier", providers=json.dumps([{**known, "client_secret": SECRET}]))


def _asks(aubier: House, nord: House, **choices: Any) -> None:
    """The next version of their charter, agreed by both."""
    aubier.propose(nord, **choices)
    aubier.settle_jobs()
    nord.agree(aubier)
    nord.settle_jobs()
    aubier.settle_jobs()


def _through(browser: Browser, address: str, login: str = "ines") -> str:
    """Through the provider and back; where the browser is led then."""
    answer = come_back(browser, Visitor().walk(address, login))
    assert answer.status_code == 303, answer.text
    return str(answer.location)


@pytest.fixture
def shared(aubier: House, nord: House) -> tuple[House, House, str, Browser]:
    """Aubier hosts; who signed in with Nord Acier's provider is in, in a browser."""
    peered(aubier, nord)
    host = aubier.person("Nora Lind", Role.ADMIN)
    admin = nord.person("Marie Lenoir", Role.ADMIN, PASSWORD)
    iri = opened(aubier, nord, aubier.space(host), host, admin)
    browser = nord.browser()
    _through(browser, browser.post("/signin/op", {"next": "/"}).location)
    for each in (_person(nord, "ines"), admin):
        nord.join(each, iri, aubier)
    return aubier, nord, nord.key_of(iri), browser


def _person(house: House, handle: str) -> Person:
    with house.ground.database.reading() as session:
        return house.identity.people.by_handle(session, handle)


def _write(browser: Browser, key: str, text: str, page: str = "") -> Any:
    shown = browser.get(page or f"/spaces/{key}").text
    form = {
        name: re.search(rf'name="{name}" value="([^"]*)"', shown) for name in ("audience", "draft", "again")
    }
    values = {name: found[1] for name, found in form.items() if found}
    data = {**values, "title": "Grue", "text": text, "lang": "fr"}
    return browser.post(f"/spaces/{key}/threads", data, page=page or f"/spaces/{key}")


def _said(house: House) -> dict[str, Any]:
    """The last post, as it was said."""
    iri = house.fact("SELECT iri FROM activity WHERE type = 'Create' ORDER BY id DESC LIMIT 1")
    with exchange.open_reading(house.ground) as work:
        said = work.journal.get(iri)
        assert said is not None
        return said.document


def test_a_stronger_sign_in_is_asked_for_and_the_text_is_kept(
    shared: tuple[House, House, str, Browser],
) -> None:
    aubier, nord, key, browser = shared
    _asks(aubier, nord, sign_ins=("phr", "phrh"), sign_in_h=1)
    refused = _write(browser, key, "Le plan est prêt.")
    assert refused.status_code == 303
    assert nord.fact("SELECT count(*) FROM post") == 0

    page = browser.get(refused.location).text
    assert "phr, phrh" in page
    assert "not enough" in page or "insuffisant" in page
    query = parse_qs(urlsplit(refused.location).query)
    assert (query["acr_values"], query["max_age"]) == (["phr phrh"], ["3600"])
    lead = browser.post(
        "/me/again", {name: values[0] for name, values in query.items()}, page=refused.location
    )
    request = asked(lead.location)
    assert (request["acr_values"], request["max_age"]) == ("phr phrh", "3600")
    back = _through(browser, lead.location)
    assert back.startswith(f"/spaces/{key}?draft=1")
    assert "Le plan est prêt." in browser.get(back).text

    assert _write(browser, key, "Le plan est prêt.", back.partition("#")[0]).status_code == 303
    claim = _said(nord)["authn"]
    assert set(claim) == {"iss", "idp", "acr", "amr", "auth_time"}
    assert claim["acr"] == "phr"
    assert nord.fact("SELECT count(*) FROM draft") == 0
    exchange_all(aubier, nord)
    assert aubier.fact("SELECT count(*) FROM post WHERE state = 'accepted'") == 1


def test_a_sign_in_grows_old(shared: tuple[House, House, str, Browser]) -> None:
    aubier, nord, key, _browser = shared
    _asks(aubier, nord, sign_in_h=1)
    person, now = _person(nord, "ines"), int(nord.clock.now().timestamp())
    old, fresh = (SignIn("https://idp.example", auth_time=now - age) for age in (3700, 3500))
    with pytest.raises(StepUp) as refusal:
        posting.begin(nord.ground, By(person.actor, old), key, Draft("Trop tard.", title="Grue"))
    assert refusal.value.members == {"max_age": 3600}
    assert nord.fact("SELECT count(*) FROM post") == 0
    posting.begin(nord.ground, By(person.actor, fresh), key, Draft("À temps.", title="Grue"))
    assert set(_said(nord)["authn"]) == {"iss", "auth_time"}


def test_a_built_in_account_gives_its_password_again(shared: tuple[House, House, str, Browser]) -> None:
    aubier, nord, key, _browser = shared
    _asks(aubier, nord, sign_in_h=1)
    admin, browser = _person(nord, "marie.lenoir"), nord.browser()
    browser.sign_in(admin)
    assert _write(browser, key, "Par mot de passe.").status_code == 303
    assert nord.fact("SELECT count(*) FROM post") == 1
    page = "/me/again?max_age=3600&next=/spaces/x"
    assert 'type="password"' in browser.get(page).text
    form = {"max_age": "3600", "next": f"/spaces/{key}", "password": "another one altogether"}
    assert browser.post("/me/again", form, page=page).status_code == 403
    answer = browser.post("/me/again", {**form, "password": PASSWORD}, page=page)
    assert (answer.status_code, answer.location) == (303, f"/spaces/{key}")


def test_who_is_refused_elsewhere_is_told_and_sends_it_again(
    aubier: House, nord: House, leroux: House
) -> None:
    """A third organisation's charter asks it of the host: only the refusal tells the author's node."""
    for other in (nord, leroux):
        peered(aubier, other)
    host, marie, owen = (
        aubier.person("Nora Lind"),
        nord.person("Marie Lenoir", Role.ADMIN, PASSWORD),
        leroux.person("Owen"),
    )
    key = aubier.space(host)
    iri = opened(aubier, nord, key, host, marie)
    opened(aubier, leroux, key, host, owen)
    exchange_all(aubier, nord)
    nord.join(marie, iri, aubier)
    _asks(aubier, leroux, sign_in_h=1, onward="allowed")
    browser = nord.browser()
    browser.sign_in(marie)
    there = nord.key_of(iri)
    assert _write(browser, there, "Une question.").status_code == 303
    exchange_all(nord, aubier)
    assert nord.fact("SELECT state FROM post") == "refused"
    problem = json.loads(nord.fact("SELECT problem FROM post"))
    assert problem["type"].endswith("#insufficient-authentication")
    assert (problem["max_age"], problem["rule"]) == (3600, "identity")

    listed = browser.get(f"/spaces/{there}").text
    thread = re.search(r'href="(/threads/[^"#?]+)', listed)
    assert thread
    page = browser.get(thread[1]).text
    again = re.search(r'href="(/me/again[^"]+)"', page)
    assert again
    back = parse_qs(urlsplit(again[1].replace("&amp;", "&")).query)["next"][0]
    composer = browser.get(back).location
    assert "Une question." in browser.get(composer).text
    assert _write(browser, there, "Une question.", composer.partition("#")[0]).status_code == 303
    assert "auth_time" in _said(nord)["authn"]
    exchange_all(nord, aubier)
    assert aubier.fact("SELECT count(*) FROM post WHERE state = 'accepted'") == 1


def test_a_token_is_no_sign_in(shared: tuple[House, House, str, Browser]) -> None:
    aubier, nord, key, _browser = shared
    _asks(aubier, nord, sign_in_h=1)
    secret, _token = nord.identity.create_token(_person(nord, "ines").id, "script", [Scope.POSTS_WRITE])
    answer = nord.app.test_client().post(
        f"/api/v1/spaces/{key}/threads",
        base_url=nord.origin,
        json={"title": "Grue", "text": "Par un script."},
        headers={"Authorization": f"Bearer {secret}"},
    )
    assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
    told = answer.get_json()
    assert told["type"].endswith("#insufficient-authentication")
    assert told["max_age"] == 3600
    assert nord.fact("SELECT count(*) FROM post") == 0


def test_nobody_sees_the_draft_of_another(shared: tuple[House, House, str, Browser]) -> None:
    aubier, nord, key, browser = shared
    _asks(aubier, nord, sign_ins=("phr",))
    _write(browser, key, "À moi seule.")
    admin, other = _person(nord, "marie.lenoir"), nord.browser()
    other.sign_in(admin)
    assert "À moi seule." not in other.get(f"/spaces/{key}?draft=1").text
    assert "À moi seule." in browser.get(f"/spaces/{key}?draft=1").text


def test_to_ask_costs_no_statement(shared: tuple[House, House, str, Browser]) -> None:
    aubier, nord, key, _browser = shared
    person = _person(nord, "ines")
    by = By(person.actor, SignIn("https://idp.example", "phr", (), int(nord.clock.now().timestamp())))

    def count(text: str, by: By = by) -> int:
        said: list[str] = []
        listen = lambda *arguments: said.append(str(arguments[2]))  # noqa: E731
        event.listen(Engine, "before_cursor_execute", listen)
        posting.begin(nord.ground, by, key, Draft(text, title="Grue"))
        event.remove(Engine, "before_cursor_execute", listen)
        return len(said)

    count("first")
    plain = count("second", replace(by, sign_in=None))
    assert count("with a sign-in") == plain
    _asks(aubier, nord, sign_in_h=1)
    count("third")
    assert count("fourth") == plain
