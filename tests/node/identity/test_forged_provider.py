"""A provider that lies, or is not the one that was asked: each lie refused, named, and without effect."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry, serialize_compact

from node.config import SettingsError
from node.identity import oidc
from node.identity.browser import here
from node.identity.oidc import RelyingParty
from node.identity.services.answers import SignInRefused
from tests.node.identity.flows import answer, asked, begin, configured
from tests.node.identity.houses import ORIGIN, MakeNode, Node
from tests.providers.forged import CLIENT_ID, ForgedProvider
from tests.providers.real import SECRET

Lie = Callable[[ForgedProvider], None]


@pytest.fixture
def forged() -> Iterator[ForgedProvider]:
    with ForgedProvider() as provider:
        yield provider


@pytest.fixture
def node(make_node: MakeNode, forged: ForgedProvider) -> Node:
    return make_node(providers=(configured(forged),))


def refusals(node: Node) -> str:
    return " ".join(line for line in node.audited() if line.startswith("refused.unauthenticated"))


def test_the_forged_provider_is_believed_while_it_says_the_truth(node: Node, forged: ForgedProvider) -> None:
    browser = node.browser()
    assert answer(browser, forged).status_code == 303
    assert browser.is_in()
    (_method, _path, form) = next(each for each in forged.asked if each[1] == "/token")
    assert form["grant_type"] == ["authorization_code"]
    assert form["redirect_uri"] == [f"{ORIGIN}/auth/callback/op"]
    assert len(form["code_verifier"][0]) == 64


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], signature: bytes = b"") -> Lie:
    def lie(forged: ForgedProvider) -> None:
        forged.make_id_token = lambda claims: ".".join(
            (b64(json.dumps(header).encode()), b64(json.dumps(claims).encode()), b64(signature))
        )

    return lie


def hs256(secret: Callable[[ForgedProvider], bytes]) -> Lie:
    def lie(forged: ForgedProvider) -> None:
        def token(claims: dict[str, Any]) -> str:
            head = b64(json.dumps({"alg": "HS256", "kid": "k1"}).encode())
            text = f"{head}.{b64(json.dumps(claims).encode())}"
            return f"{text}.{b64(hmac.digest(secret(forged), text.encode(), hashlib.sha256))}"

        forged.make_id_token = token

    return lie


def public_pem(forged: ForgedProvider) -> bytes:
    return forged.key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def header(**more: Any) -> Lie:
    def lie(forged: ForgedProvider) -> None:
        forged.make_id_token = lambda claims: signed(
            forged.key, {"alg": "RS256", "kid": "k1", **more}, claims
        )

    return lie


def signed(key: RSAKey | ECKey, fields: dict[str, Any], claims: object) -> str:
    """A token whose header may say anything (a library would refuse some)."""
    head = b64(json.dumps(fields, separators=(",", ":")).encode())
    text = claims if isinstance(claims, str) else json.dumps(claims)
    registry = JWSRegistry(algorithms=["RS256", "ES256"], strict_check_header=False)
    algorithm = "ES256" if isinstance(key, ECKey) else "RS256"
    signer = registry.get_alg(algorithm)
    signing_input = f"{head}.{b64(text.encode())}"
    return f"{signing_input}.{b64(signer.sign(signing_input.encode(), key))}"


@cache
def attackers_key() -> RSAKey:
    return RSAKey.generate_key(2048)


def own_key(**names: str) -> Lie:
    """Signed by a key of the attacker's that the header brings along."""

    def lie(forged: ForgedProvider) -> None:
        mine = attackers_key()
        public = mine.as_dict(private=False)
        fields: dict[str, Any] = {"alg": "RS256", "kid": "k1", "jwk": public, **names}
        forged.make_id_token = lambda claims: signed(mine, fields, claims)

    return lie


def other_key(kid: str = "k1") -> Lie:
    def lie(forged: ForgedProvider) -> None:
        mine = attackers_key()
        forged.make_id_token = lambda claims: signed(mine, {"alg": "RS256", "kid": kid}, claims)

    return lie


def claim(**changed: Any) -> Lie:
    def lie(forged: ForgedProvider) -> None:
        forged.claims |= changed

    return lie


def without(name: str) -> Lie:
    def lie(forged: ForgedProvider) -> None:
        forged.make_id_token = lambda claims: forged.signed({k: v for k, v in claims.items() if k != name})

    return lie


def payload(text: str) -> Lie:
    def lie(forged: ForgedProvider) -> None:
        forged.make_id_token = lambda _claims: signed(forged.key, {"alg": "RS256", "kid": "k1"}, text)

    return lie


def token(text: str) -> Lie:
    def lie(forged: ForgedProvider) -> None:
        forged.make_id_token = lambda _claims: text

    return lie


def keys(*made: Callable[[ForgedProvider], dict[str, Any]]) -> Lie:
    def lie(forged: ForgedProvider) -> None:
        forged.keys = [each(forged) for each in made]

    return lie


def same(forged: ForgedProvider, **more: Any) -> dict[str, Any]:
    return {**forged.key.as_dict(private=False), **more}


def weak_key(forged: ForgedProvider) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joserfc warns of short keys
        mine = RSAKey.generate_key(1024, {"kid": "k1"})
        forged.keys = [dict(mine.as_dict(private=False))]
        forged.make_id_token = lambda claims: signed(mine, {"alg": "RS256", "kid": "k1"}, claims)


def wrong_curve(forged: ForgedProvider) -> None:
    mine = ECKey.generate_key("P-384", {"kid": "k1"})
    forged.keys = [dict(mine.as_dict(private=False))]


def at(name: str, seconds: int) -> Lie:
    """A claim that many seconds from the moment of the lie: not of the import, which may be long ago."""

    def lie(forged: ForgedProvider) -> None:
        forged.claims |= {name: int(time.time()) + seconds}

    return lie


LIES: dict[str, Lie] = {
    "alg none": unsigned({"alg": "none"}),
    "alg None": unsigned({"alg": "None"}, b"x"),
    "alg nOnE": unsigned({"alg": "nOnE", "kid": "k1"}, b"x"),
    "alg none, signed": unsigned({"alg": "none", "kid": "k1"}, b"x"),
    "no alg": unsigned({"kid": "k1"}, b"x"),
    "alg is a number": unsigned({"alg": 1}, b"x"),
    "alg is a list": unsigned({"alg": ["RS256"]}, b"x"),
    "HS256 with the public key": hs256(public_pem),
    "HS256 with the client secret": hs256(lambda _: SECRET.encode()),
    "RS512": header(alg="RS512"),
    "PS256": header(alg="PS256"),
    "ES256 by an RSA key": header(alg="ES256"),
    "empty signature": unsigned({"alg": "RS256", "kid": "k1"}),
    "junk signature": unsigned({"alg": "RS256", "kid": "k1"}, b"x" * 256),
    "jwk in the header": own_key(),
    "jwk in the header, unknown kid": own_key(kid="k9"),
    "jku in the header": header(jku="http://evil.localhost:1/jwks"),
    "x5u in the header": header(x5u="http://evil.localhost:1/cert"),
    "x5c in the header": header(x5c=["MIIB"]),
    "crit in the header": header(crit=["x"], x=1),
    "crit b64": header(crit=["b64"], b64=False),
    "zip in the header": header(zip="DEF"),
    "typ at+jwt": header(typ="at+jwt"),
    "typ logout+jwt": header(typ="logout+jwt"),
    "unknown kid": other_key("k2"),
    "same kid, another key": other_key("k1"),
    "two keys of one kid": keys(same, same),
    "no kid, two keys": lambda f: (keys(same, lambda f: same(f, kid="k2"))(f), header(kid="k3")(f))[0],
    "a key to encrypt": keys(lambda f: same(f, use="enc")),
    "a key of another algorithm": keys(lambda f: same(f, alg="PS256")),
    "a symmetric key": keys(lambda _: {"kty": "oct", "k": b64(SECRET.encode()), "kid": "k1"}),
    "no key": keys(),
    "a broken key": keys(lambda _: {"kty": "RSA", "n": "AQAB", "e": "", "kid": "k1"}),
    "a key of 1024 bits": weak_key,
    "a modulus that is no number": keys(lambda f: same(f, n=7)),
    "a modulus that is no base64": keys(lambda f: same(f, n="é")),
    "an exponent of 1": keys(lambda f: same(f, e="AQ")),
    "another curve": wrong_curve,
    "encrypted": token("a.b.c.d.e"),
    "PBES2 bomb": token(b64(b'{"alg":"PBES2-HS256+A128KW","p2c":2147483647,"p2s":"x"}') + ".b.c.d.e"),
    "not base64": token("!.!.!"),
    "header no JSON": token("eA.eA.eA"),
    "header twice the same name": token(b64(b'{"alg":"none","alg":"RS256"}') + ".eA.eA"),
    "one segment": token("x"),
    "20 KiB": claim(padding="x" * 20_000),
    "empty": token(""),
    "iss of another": claim(iss="http://evil.localhost:1"),
    "aud of another": claim(aud="other"),
    "aud prefix": claim(aud=CLIENT_ID + "x"),
    "aud null": claim(aud=None),
    "aud with a number": claim(aud=[CLIENT_ID, 1], azp=CLIENT_ID),
    "two aud without azp": claim(aud=[CLIENT_ID, "other"]),
    "azp of another": claim(azp="other"),
    "azp of another, two aud": claim(aud=[CLIENT_ID, "other"], azp="other"),
    "nonce of another": claim(nonce="n-0S6_WzA2Mj"),
    "nonce null": claim(nonce=None),
    "no nonce": without("nonce"),
    "no iss": without("iss"),
    "no sub": without("sub"),
    "no aud": without("aud"),
    "no exp": without("exp"),
    "no iat": without("iat"),
    "sub a number": claim(sub=1),
    "sub empty": claim(sub=""),
    "sub too long": claim(sub="x" * 256),
    "expired": at("exp", -120),
    "exp a text": claim(exp=str(int(time.time()) + 3600)),
    "exp true": claim(exp=True),
    "old": at("iat", -700),
    "from the future": at("iat", 200),
    "not yet": at("nbf", 200),
    "at_hash of another": claim(at_hash="77QmUPtjPfzWtF2AnpK9RQ"),
    "at_hash null": claim(at_hash=None),
    "payload a list": payload("[]"),
    "payload no JSON": payload("x"),
    "payload twice the same name": payload('{"iss":"a","iss":"b"}'),
}


@pytest.mark.parametrize("lie", LIES)
def test_refuses_an_id_token(node: Node, forged: ForgedProvider, lie: str) -> None:
    LIES[lie](forged)
    browser = node.browser()
    assert answer(browser, forged).status_code == 400
    assert not browser.is_in()
    assert node.count("person") == 0
    assert "signin.id-token" in refusals(node)


@pytest.mark.parametrize(
    "change",
    [
        lambda iss: iss + "/",
        lambda iss: iss[:-1],
        lambda iss: iss + "0",
        lambda iss: iss.upper(),
        lambda iss: iss.replace("http:", "https:"),
        lambda iss: iss.replace("forged", "forged.evil"),
        lambda iss: "x" + iss,
        lambda iss: iss + "?x",
        lambda iss: iss + "#",
        lambda iss: iss + "\u200b",
        lambda iss: [iss],
    ],
)
def test_refuses_an_issuer_that_looks_alike(
    node: Node, forged: ForgedProvider, change: Callable[[str], Any]
) -> None:
    forged.claims["iss"] = change(forged.issuer)
    browser = node.browser()
    assert answer(browser, forged).status_code == 400
    assert not browser.is_in()


@pytest.mark.parametrize("lie", ["+/", "upper", "other", "missing", "null"])
def test_refuses_metadata_of_another_issuer(node: Node, forged: ForgedProvider, lie: str) -> None:
    said = {
        "+/": forged.issuer + "/",
        "upper": forged.issuer.upper(),
        "other": "http://evil.localhost:1",
        "null": None,
    }
    forged.metadata["issuer"] = said.get(lie)
    if lie == "missing":
        del forged.metadata["issuer"]
    answer = node.browser().post("/signin/op")
    assert answer.status_code == 503
    assert "does not answer" in answer.text


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "address",
    [
        "http://evil.example/x",
        "http://169.254.169.254/x",
        "javascript:alert(1)",
        "//evil.example",
        "",
        None,
        7,
        ["x"],
    ],
)
def test_refuses_metadata_with_an_address_that_we_do_not_use(
    node: Node, forged: ForgedProvider, name: str, address: object
) -> None:
    forged.metadata[name] = address
    assert node.browser().post("/signin/op").status_code == 503


@pytest.mark.parametrize(
    "raw", [b"", b"x", b"[]", b'{"issuer":1,"issuer":2}', b"{" * 30_000, b" " * 2_000_000]
)
def test_metadata_that_is_none_is_a_provider_that_does_not_answer(
    node: Node, forged: ForgedProvider, raw: bytes
) -> None:
    forged.raw = raw
    assert node.browser().post("/signin/op").status_code == 503


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_error_of_the_provider_is_a_provider_that_does_not_answer(
    node: Node, forged: ForgedProvider, status: int
) -> None:
    forged.status = status
    assert node.browser().post("/signin/op").status_code == 503


def test_a_provider_that_is_down_costs_a_sentence(node: Node, forged: ForgedProvider) -> None:
    forged.close()
    answer = node.browser().post("/signin/op")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "3"


@pytest.mark.parametrize("path", ["/token", "/jwks"])
def test_a_provider_that_fails_half_way_is_no_sign_in(node: Node, forged: ForgedProvider, path: str) -> None:
    browser = node.browser()
    request = asked(begin(browser))
    forged.claims["nonce"] = request["nonce"]
    if path == "/token":
        forged.status = 502
    else:
        forged.keys = "none"  # type: ignore[assignment]
    back = browser.get(f"/auth/callback/op?{urlencode({'code': 'c', 'state': request['state']})}")
    assert back.status_code in {400, 503}
    assert not browser.is_in()


@pytest.mark.parametrize(
    "tokens",
    [
        {"id_token": None},
        {"id_token": 7},
        {"id_token": ""},
        {"access_token": None},
        {"access_token": ["x"]},
        {"token_type": "mac"},
        {"token_type": None},
        {"error": "invalid_grant"},
        {"error": "invalid_grant", "error_description": "<b>x</b>"},
    ],
)
def test_refuses_what_the_token_endpoint_must_not_say(
    node: Node, forged: ForgedProvider, tokens: dict[str, Any]
) -> None:
    forged.tokens |= tokens
    browser = node.browser()
    assert answer(browser, forged).status_code == 400
    assert not browser.is_in()


@pytest.mark.parametrize("said", [{"sub": "another", "name": "Ève"}, {"name": "Ève"}, {"sub": None}])
def test_refuses_userinfo_about_somebody_else(
    node: Node, forged: ForgedProvider, said: dict[str, Any]
) -> None:
    del forged.claims["name"]
    forged.userinfo = said
    browser = node.browser()
    assert answer(browser, forged).status_code == 400
    assert "signin.userinfo" in refusals(node)
    assert not browser.is_in()


def test_userinfo_never_overrules_the_id_token(node: Node, forged: ForgedProvider) -> None:
    del forged.claims["name"]
    forged.userinfo |= {"iss": "x", "email": "ines@other.example", "preferred_username": ["x"], "locale": 7}
    forged.claims["email"] = "ines@aubier.example"
    assert answer(node.browser(), forged).status_code == 303
    with node.ground.database.reading() as db:
        person = node.identity.people.everybody(db)[0]
    assert (person.issuer, person.email, person.name) == (
        forged.issuer,
        "ines@aubier.example",
        "Inès Le Goff",
    )


def test_a_provider_that_names_nobody_still_lets_a_person_in(node: Node, forged: ForgedProvider) -> None:
    del forged.claims["name"]
    forged.userinfo = {"sub": forged.claims["sub"], "email": "x" * 300 + "@example.org"}
    assert answer(node.browser(), forged).status_code == 303
    with node.ground.database.reading() as db:
        person = node.identity.people.everybody(db)[0]
    assert (person.name, person.email) == ("person", None)


def test_an_unknown_key_costs_the_provider_one_request_a_minute(
    node: Node, forged: ForgedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answer(node.browser(), forged).status_code == 303
    other_key("k2")(forged)
    for _ in range(5):
        answer(node.browser(), forged)
    assert [path for _method, path, _form in forged.asked].count("/jwks") == 1
    monkeypatch.setattr(oidc, "REFETCH_S", 0)
    answer(node.browser(), forged)
    assert [path for _method, path, _form in forged.asked].count("/jwks") == 2


def test_a_rotated_key_is_found(node: Node, forged: ForgedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(node.browser(), forged).status_code == 303
    monkeypatch.setattr(oidc, "REFETCH_S", 0)
    mine = RSAKey.generate_key(2048, {"kid": "k2"})
    forged.keys = [dict(mine.as_dict(private=False))]
    forged.make_id_token = lambda claims: signed(mine, {"alg": "RS256", "kid": "k2"}, claims)
    del forged.claims["nonce"]
    assert answer(node.browser(), forged).status_code == 303


def test_two_providers_are_never_mixed_up(make_node: MakeNode, forged: ForgedProvider) -> None:
    """The browser asked the attacker's provider; the answer comes in at the honest one's address (RFC 9207)."""
    with ForgedProvider("honest") as honest:
        node = make_node(providers=(configured(forged, "evil"), configured(honest, "good")))
        for iss in ({}, {"iss": honest.issuer}, {"iss": forged.issuer}):
            browser = node.browser()
            request = asked(begin(browser, "evil"))
            assert request["redirect_uri"] == f"{ORIGIN}/auth/callback/evil"
            query = urlencode({"code": "stolen", "state": request["state"], **iss})
            assert browser.get(f"/auth/callback/good?{query}").status_code == 400
            assert not browser.is_in()
        assert "signin.provider" in refusals(node)
        assert not [path for _method, path, _form in (*honest.asked, *forged.asked) if path == "/token"]


def test_the_issuer_of_the_answer_is_compared_whole(make_node: MakeNode, forged: ForgedProvider) -> None:
    with ForgedProvider("honest") as honest:
        node = make_node(providers=(configured(forged, "evil"), configured(honest, "good")))
        browser = node.browser()
        assert answer(browser, forged, "evil", iss=honest.issuer).status_code == 400
        assert "signin.issuer" in refusals(node)
        assert not [path for _method, path, _form in (*honest.asked, *forged.asked) if path == "/token"]


def test_subjects_of_two_providers_are_two_people(make_node: MakeNode, forged: ForgedProvider) -> None:
    with ForgedProvider("honest") as honest:
        node = make_node(providers=(configured(forged, "evil"), configured(honest, "good")))
        forged.claims["email"] = honest.claims["email"] = "ines@aubier.example"
        answer(node.browser(), honest, "good")
        answer(node.browser(), forged, "evil")
        assert node.count("person") == 2


def test_a_client_that_may_only_post_its_secret_does(node: Node, forged: ForgedProvider) -> None:
    forged.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    assert answer(node.browser(), forged).status_code == 303
    form = next(form for _method, path, form in forged.asked if path == "/token")
    assert form["client_secret"] == [SECRET]


def test_an_authorization_endpoint_elsewhere_is_reached_without_a_form(
    node: Node, forged: ForgedProvider
) -> None:
    """`form-action` of the door knows the issuer's origin only, so a redirect would be blocked by the browser."""
    forged.metadata["authorization_endpoint"] = "http://pages.localhost:9/authorize"
    answer = node.browser().post("/signin/op")
    assert answer.status_code == 200
    assert answer.headers["Refresh"].startswith("0; url=http://pages.localhost:9/authorize?")


def test_a_node_is_never_its_own_provider(forged: ForgedProvider) -> None:
    with pytest.raises(SettingsError):
        RelyingParty(forged.issuer, (configured(forged),))


def test_outside_development_a_provider_on_loopback_is_refused(
    make_node: MakeNode, forged: ForgedProvider
) -> None:
    node = make_node(
        origin="https://parvis.aubier.example", environment="production", providers=(configured(forged),)
    )
    assert node.browser().post("/signin/op").status_code == 503
    assert forged.asked == []


def test_the_forged_tokens_are_made_as_honest_ones_are() -> None:
    """The forged tokens above fail for what they say, not for how they are made."""
    with ForgedProvider() as provider:
        claims = {"a": 1}
        by_library = serialize_compact({"alg": "RS256", "kid": "k1"}, json.dumps(claims), provider.key)
        assert by_library == signed(provider.key, {"alg": "RS256", "kid": "k1"}, claims)


def test_the_state_alone_refuses_before_anything_is_asked(node: Node, forged: ForgedProvider) -> None:
    browser = node.browser()
    for state in ("", "x", "é"):
        assert answer(browser, forged, state=state).status_code == 400
    assert "signin.state" in refusals(node)
    assert not [path for _method, path, _form in forged.asked if path == "/token"]


def test_an_answer_is_taken_once_even_if_it_failed(node: Node, forged: ForgedProvider) -> None:
    browser = node.browser()
    request = asked(begin(browser))
    forged.claims["nonce"] = request["nonce"]
    query = {"state": request["state"], "code": "c-1"}
    assert browser.get(f"/auth/callback/op?{urlencode({**query, 'iss': 'x'})}").status_code == 400
    assert browser.get(f"/auth/callback/op?{urlencode(query)}").status_code == 400
    assert not browser.is_in()


def test_a_sign_in_and_its_cookie_each_last_ten_minutes(node: Node, forged: ForgedProvider) -> None:
    party = RelyingParty(ORIGIN, (configured(forged),), development=True)
    now = node.clock.now()
    _address, pending = party.begin(party.provider("op"), "/", now)
    for late in (timedelta(minutes=10, seconds=1), timedelta(seconds=-2)):
        with pytest.raises(SignInRefused) as refused:
            party.finish(party.provider("op"), {"state": [pending.state], "code": ["c"]}, pending, now + late)
        assert refused.value.reason == "expired"
    browser = node.browser()
    begin(browser)
    cookie = {"Cookie": f"parvis-visit={browser.cookie('parvis-visit')}"}
    with node.app.test_request_context("/signin", headers=cookie):
        assert list(here()) == ["pending"]
    node.clock.move(minutes=10, seconds=1)
    with node.app.test_request_context("/signin", headers=cookie):
        assert list(here()) == []
