"""ID tokens, logout tokens and security events of a partner or a provider: what each check refuses."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from federation import tokens
from federation.assertions import (
    LOGOUT,
    LOGOUT_EVENT,
    SECURITY_EVENT,
    Expected,
    ForeignSubject,
    check_partner,
    id_token,
    logout_token,
    security_event,
)
from federation.errors import InsufficientAuthentication
from federation.keys import SigningKey
from federation.ports import Relation, State
from federation.tokens import BadToken, UnknownKey

NOW = 1_795_446_120
ISSUER, US = "https://node.bolt.example", "https://node.acme.example/actor"
BOB = f"{ISSUER}/users/bob"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
KEYS = [tokens.jwk_of_pem(PEM, "b1")]
REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
WHO = {"format": "iss_sub", "iss": ISSUER, "sub": "u-5f1c"}
ID: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "u-5f1c",
    "aud": US,
    "exp": NOW + 300,
    "iat": NOW,
    "nonce": "n",
    "actor": BOB,
    "email": "bob@bolt.example",
    "email_verified": True,
    "acr": "phr",
    "auth_time": NOW - 60,
}
OUT: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "u-5f1c",
    "aud": US,
    "exp": NOW + 120,
    "iat": NOW,
    "jti": "out-1",
    "sid": "s-88",
    "events": {LOGOUT_EVENT: {}},
}
EVENT: dict[str, Any] = {
    "iss": ISSUER,
    "aud": US,
    "iat": NOW,
    "jti": "set-1",
    "sub_id": WHO,
    "events": {REVOKED: {"event_timestamp": NOW - 1}},
}
ASKED = Expected(ISSUER, US, "n", "opaque", NOW)


def signed(claims: dict[str, Any], typ: str = "JWT", **changes: Any) -> str:
    """The token of these claims with changes; a change to None leaves the claim out."""
    said = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return tokens.sign(said, KEY, "b1", typ)


def test_a_good_token_gives_its_claims() -> None:
    assert id_token(signed(ID), KEYS, ASKED) == ID


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": ISSUER + "/"},
        {"iss": ISSUER.upper()},
        {"iss": ISSUER + ".evil.example"},
        {"aud": "https://node.cyan.example/actor"},
        {"aud": [US, "https://node.cyan.example/actor"]},
        {"aud": [US, 1]},
        {"azp": "https://node.cyan.example/actor"},
        {"exp": NOW - 60},
        {"exp": None},
        {"exp": True},
        {"iat": NOW + 61},
        {"iat": NOW - 601},
        {"nbf": NOW + 61},
        {"nonce": "m"},
        {"nonce": None},
        {"sub": ""},
        {"sub": "s" * 256},
        {"sub": 7},
        {"at_hash": "AAAA"},
    ],
)
def test_an_id_token_that_says_anything_else_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadToken):
        id_token(signed(ID, **changes), KEYS, ASKED)


@pytest.mark.parametrize(("access_token", "holds"), [("opaque", True), ("another", False)])
def test_at_hash_of_ed25519_is_half_of_sha_512(access_token: str, holds: bool) -> None:
    half = base64.urlsafe_b64encode(hashlib.sha512(b"opaque").digest()[:32]).rstrip(b"=").decode()
    token, asked = signed(ID, at_hash=half), replace(ASKED, access_token=access_token)
    if holds:
        assert id_token(token, KEYS, asked)["sub"] == "u-5f1c"
    else:
        with pytest.raises(BadToken, match="at_hash"):
            id_token(token, KEYS, asked)


def test_a_token_without_kid_is_of_the_only_key_that_fits() -> None:
    header = base64.urlsafe_b64encode(b'{"alg":"EdDSA"}').rstrip(b"=").decode()
    body = signed(ID).split(".")[1]
    signature = base64.urlsafe_b64encode(KEY.sign(f"{header}.{body}".encode())).rstrip(b"=").decode()
    token = f"{header}.{body}.{signature}"
    rsa = {"kty": "RSA", "n": "x", "e": "AQAB", "kid": "r1"}
    assert id_token(token, [rsa, *KEYS], ASKED) == ID
    with pytest.raises(UnknownKey):
        id_token(token, [*KEYS, tokens.jwk_of(SigningKey.generate("k").public.multibase)], ASKED)


@pytest.mark.filterwarnings("ignore:Key size should be:joserfc.errors.SecurityWarning")
def test_a_short_rsa_key_is_none() -> None:
    short = generate_private_key(65537, 1024)
    pem = short.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(BadToken, match="1024 bits"):
        id_token(tokens.sign(ID, short, "r1"), [tokens.jwk_of_pem(pem, "r1")], ASKED)


def test_an_rsa_key_signs_too() -> None:
    private = generate_private_key(65537, 2048)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert id_token(tokens.sign(ID, private, "r1"), [tokens.jwk_of_pem(pem, "r1")], ASKED) == ID


DEMANDS = {"minAcr": ["phr", "phrh"], "maxAuthAge": 3600, "emailDomains": "declared-only"}


def relation(**demands: Any) -> Relation:
    agreement = {
        "parties": [{"node": f"{ISSUER}/actor", "domains": ["bolt.example", "bolt.test"]}],
        "identity": {**DEMANDS, **demands},
    }
    return Relation(
        id="bolt",
        node=f"{ISSUER}/actor",
        name="Bolt",
        state=State.IN_FORCE,
        keys=(),
        inbox="",
        exchange="",
        invite="",
        agreement=agreement,
        proven=frozenset({"bolt.example", "unlisted.example"}),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"actor": "https://node.cyan.example/users/bob"},
        {"actor": f"{ISSUER}/actor"},
        {"actor": "bob"},
        {"actor": 7},
        {"email": "bob@gmail.example"},
        {"email": "bob@unlisted.example"},
        {"email": "bob@bolt.test"},
        {"email": "bob@bolt.example.evil.example"},
        {"email": None},
        {"email_verified": False},
        {"email_verified": "true"},
    ],
)
def test_a_partner_vouches_for_nobody_else(changes: dict[str, Any]) -> None:
    with pytest.raises(BadToken):
        check_partner({**ID, **changes}, relation(), datetime.fromtimestamp(NOW, UTC))


@pytest.mark.parametrize(
    "changes",
    [{"acr": "pwd"}, {"acr": None}, {"auth_time": NOW - 3601}, {"auth_time": None}, {"auth_time": NOW + 301}],
)
def test_a_weak_or_old_sign_in_is_asked_again(changes: dict[str, Any]) -> None:
    with pytest.raises(InsufficientAuthentication) as challenge:
        check_partner({**ID, **changes}, relation(), datetime.fromtimestamp(NOW, UTC))
    assert challenge.value.members == {"acr_values": "phr phrh", "max_age": 3600}


def test_what_is_not_asked_is_not_looked_at() -> None:
    open_to_all = relation(minAcr=[], maxAuthAge=None, emailDomains="none")
    now = datetime.fromtimestamp(NOW, UTC)
    check_partner({"actor": BOB}, open_to_all, now)
    check_partner(ID, relation(), now)


def test_a_logout_token_says_who_and_which_session() -> None:
    ended = logout_token(signed(OUT, LOGOUT), KEYS, ISSUER, US, NOW)
    assert (ended.id, ended.subject, ended.session) == ("out-1", "u-5f1c", "s-88")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://idp.bolt.example"},
        {"aud": "another"},
        {"iat": NOW - 121},
        {"iat": NOW + 61},
        {"exp": NOW - 60},
        {"exp": None},
        {"nonce": "n"},
        {"events": None},
        {"events": {}},
        {"events": {LOGOUT_EVENT: True}},
        {"events": [LOGOUT_EVENT]},
        {"sub": None, "sid": None},
        {"sid": 7},
        {"jti": None},
        {"jti": ""},
    ],
)
def test_a_logout_token_that_says_anything_else_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadToken):
        logout_token(signed(OUT, LOGOUT, **changes), KEYS, ISSUER, US, NOW)


def test_one_kind_of_token_is_not_taken_for_another() -> None:
    for typ in ("JWT", SECURITY_EVENT):
        with pytest.raises(BadToken, match="typ"):
            logout_token(signed(OUT, typ), KEYS, ISSUER, US, NOW)
    for typ in ("JWT", LOGOUT):
        with pytest.raises(BadToken, match="typ"):
            security_event(signed(EVENT, typ), KEYS, ISSUER, US, NOW)
    with pytest.raises(BadToken, match="typ"):
        id_token(signed(ID, LOGOUT), KEYS, ASKED)


def test_an_event_says_what_of_whom_and_when() -> None:
    about = {
        "format": "complex",
        "user": WHO,
        "actor": {"format": "uri", "uri": BOB},
        "session": {"format": "opaque", "id": "s-88"},
    }
    event = security_event(signed(EVENT, SECURITY_EVENT, sub_id=about), KEYS, ISSUER, US, NOW)
    assert (event.id, event.type, event.at.timestamp()) == ("set-1", REVOKED, NOW - 1)
    assert (event.subject, event.actor, event.session) == ("u-5f1c", BOB, "s-88")
    stream = security_event(
        signed(EVENT, SECURITY_EVENT, sub_id={"format": "opaque", "id": "stream-1"}), KEYS, ISSUER, US, NOW
    )
    assert (stream.subject, stream.actor, stream.session) == (None, None, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW + 60},
        {"iat": NOW - 7 * 86_400 - 1},
        {"iat": NOW + 301},
        {"aud": "another"},
        {"events": {}},
        {"events": {REVOKED: {}, "https://another.example": {}}},
        {"events": {REVOKED: "now"}},
        {"events": {REVOKED: {"event_timestamp": NOW + 301}}},
        {"events": {REVOKED: {"event_timestamp": "now"}}},
        {"events": {REVOKED: {"event_timestamp": -1}}},
        {"sub_id": None},
        {"sub_id": {"format": "email", "email": "bob@bolt.example"}},
        {"sub_id": {**WHO, "sub": ""}},
        {"sub_id": {**WHO, "sub": 7}},
        {"sub_id": {"format": "complex", "user": "bob"}},
        {"jti": "j" * 256},
    ],
)
def test_an_event_that_says_anything_else_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadToken):
        security_event(signed(EVENT, SECURITY_EVENT, **changes), KEYS, ISSUER, US, NOW)


@pytest.mark.parametrize(
    "about",
    [
        {**WHO, "iss": "https://node.acme.example"},
        {"format": "complex", "actor": {"format": "uri", "uri": "https://node.acme.example/users/alice"}},
        {"format": "complex", "actor": {"format": "uri", "uri": "alice"}},
    ],
)
def test_a_transmitter_speaks_about_its_own_people_alone(about: dict[str, Any]) -> None:
    with pytest.raises(ForeignSubject):
        security_event(signed(EVENT, SECURITY_EVENT, sub_id=about), KEYS, ISSUER, US, NOW)
