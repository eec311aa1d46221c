"""People of partners sign in here with what they are at home: our half of the code flow.

Rule: as at our own door (`node.identity.oidc`): what a sign-in began with lives in the browser, an answer counts once,
in the browser that asked, within ten minutes, from the node that was asked. The request goes from node to node, proved
by our node key. Source: PROTOCOL 2.e; RFC 9126; RFC 9207; RFC 9700; SECURITY TH-41, TH-42, I11, I16.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urlsplit

from federation import assertions, documents, tokens
from federation.errors import FederationError, InsufficientAuthentication
from federation.ports import Relation
from node.core.errors import NotAllowed
from node.core.ground import Ground
from node.exchange import refusals
from node.exchange.service import open_reading
from node.identity.services.answers import SignInRefused, code_of
from node.visitors.services import partners
from node.visitors.services.partners import HomeUnavailable

ASSERTION_S = 60
CREATED = 201
SCOPE = "openid email actor"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(slots=True, eq=False)
class Pending:
    """A sign-in that was begun, as it waits in the browser. `begun_at` in seconds since 1970."""

    host: str
    state: str
    nonce: str
    verifier: str
    next: str
    begun_at: int

    @property
    def asked(self) -> str:
        """Whose node was asked."""
        return self.host

    def as_dict(self) -> dict[str, Any]:
        """For the cookie."""
        return asdict(self)


@dataclass(slots=True, eq=False, repr=False)
class Arrived:
    """Somebody for whom a partner's node vouched."""

    relation: Relation
    claims: dict[str, Any]
    refresh: str
    """With which we ask the home later whether the sign-in still holds."""


def begin(
    ground: Ground,
    relation: Relation,
    next_path: str,
    *,
    hint: str = "",
) -> tuple[str, Pending]:
    """The address to send the browser to, and what to keep in it.

    Raises HomeUnavailable, UnknownOrganisation.
    """
    service = partners.service_of(ground, relation)
    pending = Pending(
        host=urlsplit(relation.node).netloc,
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        next=next_path,
        begun_at=int(ground.clock.now().timestamp()),
    )
    challenge = urlsafe_b64encode(sha256(pending.verifier.encode()).digest()).rstrip(b"=").decode()
    demands = (relation.agreement or {}).get("identity", {})
    asked: dict[str, Any] = {
        "response_type": "code",
        "redirect_uri": redirect_uri(ground, relation),
        "scope": SCOPE,
        "state": pending.state,
        "nonce": pending.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "acr_values": " ".join(demands.get("minAcr") or ()),
        "max_age": demands.get("maxAuthAge"),
        "login_hint": hint,
    }
    form = {name: value for name, value in asked.items() if value not in {None, ""}}
    response = _post(ground, relation, service.pushed_authorization_request_endpoint, form)
    request_uri = _said(relation, response.body).get("request_uri") if response.status == CREATED else None
    if not isinstance(request_uri, str):
        raise HomeUnavailable(relation, f"it takes no request: {response.status} {response.body[:200]!r}")
    query = urlencode({"client_id": _us(ground), "request_uri": request_uri})
    return f"{service.authorization_endpoint}?{query}", pending


def finish(
    ground: Ground, host: str, answer: Mapping[str, Sequence[str]], pending: Pending | None
) -> Arrived:
    """Who arrived, from the query of the callback (name -> its values) and what the browser kept.

    Raises SignInRefused, NotAllowed (the charter asks for another sign-in), HomeUnavailable, UnknownOrganisation.
    """
    now = ground.clock.now()
    with ground.database.reading() as db:
        relation = partners.by_host(db, ground, host)
    issuer = partners.issuer_of(relation)
    # RFC 9207, section 2.4: our partners all say `iss`.
    code, pending = code_of(answer, pending, host, int(now.timestamp()), lambda said: said == issuer)
    service = partners.service_of(ground, relation)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri(ground, relation),
        "code_verifier": pending.verifier,
    }
    said = _redeemed(ground, relation, service.token_endpoint, form)
    access, refresh = said.get("access_token"), said.get("refresh_token")
    if not isinstance(access, str) or not isinstance(refresh, str):
        raise SignInRefused("id-token", "the token endpoint gave no tokens")
    expected = assertions.Expected(issuer, _us(ground), pending.nonce, access, int(now.timestamp()))
    claims = _verified(ground, relation, said.get("id_token"), expected)
    try:
        assertions.check_partner(claims, relation, now)
    except tokens.BadToken as cause:
        raise SignInRefused("partner", str(cause)) from cause
    except InsufficientAuthentication as error:
        raise NotAllowed(refusals.sentence(error.document()), error.detail) from error
    return Arrived(relation, claims, refresh)


def still_holds(ground: Ground, relation: Relation, refresh: str) -> str | None:
    """The next refresh token, when the home says that the sign-in still holds; None when it does not.

    Raises HomeUnavailable, UnknownOrganisation.
    """
    service = partners.service_of(ground, relation)
    try:
        form = {"grant_type": "refresh_token", "refresh_token": refresh}
        following = _redeemed(ground, relation, service.token_endpoint, form).get("refresh_token")
    except SignInRefused:
        return None
    return following if isinstance(following, str) else None


def redirect_uri(ground: Ground, relation: Relation) -> str:
    """Where this partner's node, and no other, sends the browser back (TH-41)."""
    return f"{ground.settings.origin}/auth/callback/{urlsplit(relation.node).netloc}"


def _verified(
    ground: Ground, relation: Relation, token: object, expected: assertions.Expected
) -> dict[str, Any]:
    """The claims of the ID token; the keys are read anew once when they lack the one that signed."""
    if not isinstance(token, str):
        raise SignInRefused("id-token", "the token endpoint gave none")
    try:
        try:
            return assertions.id_token(token, partners.fresh_keys(ground, relation), expected)
        except tokens.UnknownKey:
            newer = partners.fresh_keys(ground, relation, partners.KEYS_AGAIN)
            return assertions.id_token(token, newer, expected)
    except tokens.BadToken as cause:
        raise SignInRefused("id-token", str(cause)) from cause


def _redeemed(ground: Ground, relation: Relation, url: str, form: Mapping[str, str]) -> dict[str, Any]:
    response = _post(ground, relation, url, form)
    if response.status in {400, 401, 403}:
        raise SignInRefused("code", response.body[:200].decode("utf-8", "replace"))
    if response.status != partners.OK:
        raise HomeUnavailable(relation, f"{url} answers {response.status}")
    return _said(relation, response.body)


def _said(relation: Relation, body: bytes) -> dict[str, Any]:
    try:
        return documents.loads(body)
    except FederationError as error:
        raise HomeUnavailable(relation, str(error)) from error


def _post(ground: Ground, relation: Relation, url: str, form: Mapping[str, Any]) -> Any:
    proof = {
        "client_id": _us(ground),
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": _assertion(ground, relation),
    }
    return partners.post(ground, relation, url, urlencode({**form, **proof}).encode("ascii"))


def _assertion(ground: Ground, relation: Relation) -> str:
    """Our proof: signed with the node key, for the issuer, good once within a minute. Source: RFC 7523, section 3."""
    us, now = _us(ground), int(ground.clock.now().timestamp())
    with open_reading(ground) as work:
        key = work.actors.signer(us)
    said = {
        "iss": us,
        "sub": us,
        "aud": partners.issuer_of(relation),
        "iat": now,
        "exp": now + ASSERTION_S,
        "jti": secrets.token_urlsafe(16),
    }
    return tokens.sign_as_node(said, key)


def _us(ground: Ground) -> str:
    return f"{ground.settings.origin}/actor"
