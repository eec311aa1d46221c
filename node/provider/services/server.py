"""The authorization server: Authlib's grants over our rows.

Rule: a client proves itself with its node key (`private_key_jwt`, EdDSA), asks by a pushed request alone, with PKCE
S256 and a nonce. Imported at the first request of a partner, as it brings Authlib along.
Source: RFC 6749; RFC 7523; RFC 7636; RFC 9126; RFC 9207; FAPI 2.0 Security Profile; SECURITY I5–I14, TH-42, TH-49.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from authlib.common.urls import add_params_to_uri
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.integrations.flask_oauth2.requests import FlaskOAuth2Request
from authlib.oauth2.rfc6749 import (
    InvalidClientError,
    InvalidRequestError,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7523.client import ASSERTION_TYPE
from authlib.oauth2.rfc7636 import CodeChallenge
from flask import request as flask_request
from werkzeug.wrappers import Response

from federation import tokens
from federation.limits import CLOCK_SKEW_S
from node.core.ground import Ground
from node.core.secrets import new_secret
from node.exchange.service import open_work
from node.identity.process import once_per_ground
from node.identity.services.identity import identity_of
from node.identity.services.people import Person
from node.identity.services.token_keys import Kind, token_keys_of
from node.provider.services import clients, grants
from node.provider.services.clients import Client
from node.provider.tables import MAX_NONCE_CHARS

ASSERTION_AGE_S = 300
ID_TOKEN_LIFE_S = 300
MAX_PARAMETER_CHARS = 2048
NAMES = frozenset(
    {
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "acr_values",
        "max_age",
        "login_hint",
        "prompt",
        "ui_locales",
    }
)
"""Parameters of a request that count; others are left out (RFC 6749, section 3.1)."""

NEEDED = ("state", "nonce", "code_challenge")


class Server:
    """The authorization server of one node."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.issuer = ground.settings.origin
        self._server = _Server(self)
        self._server.register_client_auth_method(clients.PRIVATE_KEY_JWT, self._authenticated)
        self._server.register_token_generator("default", _new_tokens)
        self._server.register_grant(_Code, [CodeChallenge(required=True), _IdToken()])
        self._server.register_grant(_Again)

    def push(self) -> tuple[str, int]:
        """The `request_uri` of the request that a client pushes, and how many seconds it holds (RFC 9126).

        Raises OAuth2Error.
        """
        asked = self._server.create_oauth2_request(None)
        client = self._server.authenticate_client(asked, [clients.PRIVATE_KEY_JWT])
        parameters = _read(flask_request.form, client)
        self._check(parameters)
        with self._ground.database.writing() as db:
            kept = grants.push(db, client.get_client_id(), parameters, self._ground.clock.now())
        return kept, int(grants.REQUEST_LIFE.total_seconds())

    def answer(self, parameters: Mapping[str, str], person: Person | None, session_id: int) -> str:
        """Where the browser goes with the answer to a pushed request: with a code, or, without a `person`, refused."""
        asked = _Asked(parameters)
        asked.session_id = session_id
        grant = self._grant_of(asked)
        response = self._server.create_authorization_response(asked, grant_user=person, grant=grant)
        return str(add_params_to_uri(response.headers["Location"], {"iss": self.issuer}))  # RFC 9207

    def tokens(self) -> Response:
        """The answer of the token endpoint."""
        return cast("Response", self._server.create_token_response())

    def error(self, refusal: Any) -> Response:
        """The answer for an OAuth2Error of a pushed request: never a redirect (RFC 9126, section 2.3)."""
        refusal.redirect_uri = None
        return cast("Response", self._server.handle_error_response(None, refusal))

    def _check(self, parameters: Mapping[str, str]) -> None:
        """What every request must have; the rest is Authlib's."""
        for name in NEEDED:
            if not parameters.get(name):
                raise InvalidRequestError(f"Missing '{name}' in request.")
        if parameters.get("code_challenge_method") != "S256":
            raise InvalidRequestError("'code_challenge_method' must be S256.")
        if len(parameters["nonce"]) > MAX_NONCE_CHARS:
            raise InvalidRequestError("'nonce' is too long.")
        age = parameters.get("max_age", "0")
        if not (age.isascii() and age.isdecimal() and len(age) < 10):
            raise InvalidRequestError("'max_age' is a number of seconds.")
        self._grant_of(_Asked(parameters)).validate_authorization_request()

    def _grant_of(self, asked: OAuth2Request) -> AuthorizationCodeGrant:
        grant = _Code(asked, self._server)
        CodeChallenge(required=True)(grant)
        return grant

    def client(self, client_id: object) -> Client | None:
        """The client of this id, or None."""
        with self._ground.database.reading() as db:
            return clients.client_of(db, self._ground, client_id, self._ground.clock.now())

    def _authenticated(self, _query: object, asked: Any) -> Client | None:
        """The client whose node key has signed the assertion. Source: RFC 7523, section 3; FAPI 2.0, section 5.3.2."""
        if asked.form.get("client_assertion_type") != ASSERTION_TYPE:
            return None
        client = self.client(asked.form.get("client_id"))
        if client is None:
            return None
        now = int(self._ground.clock.now().timestamp())
        try:
            said, _alg = tokens.verify(asked.form.get("client_assertion", ""), client.keys)
        except tokens.BadToken as cause:
            raise InvalidClientError(description=str(cause)) from cause
        client_id = client.get_client_id()
        if said.get("iss") != client_id or said.get("sub") != client_id:
            raise InvalidClientError(description="iss and sub must be the client.")
        if said.get("aud") != self.issuer:
            raise InvalidClientError(description=f"aud must be {self.issuer}.")
        times = (said.get("iat"), said.get("exp"))
        if not all(type(each) is int for each in times):
            raise InvalidClientError(description="iat and exp must be there.")
        if not (now - ASSERTION_AGE_S <= said["iat"] <= now + CLOCK_SKEW_S and said["exp"] > now):
            raise InvalidClientError(description="The assertion is not of now.")
        if not isinstance(said.get("jti"), str) or not said["jti"]:
            raise InvalidClientError(description="jti must be there.")
        with open_work(self._ground) as work:
            first = work.nonces.first_use(f"{client_id}#assertion", said["jti"], work.now)
        if not first:
            raise InvalidClientError(description="This assertion was used before.")
        return client

    def keep(self, token: Mapping[str, Any], asked: Any) -> None:
        """Keeps the tokens of a grant."""
        granted = asked.authorization_code or asked.refresh_token
        with self._ground.database.writing() as db:
            grants.keep(db, granted.id, token["refresh_token"])

    def issue(self, asked: _Asked, person: Person) -> str:
        """The code for a person who agreed."""
        with self._ground.database.writing() as db:
            return grants.issue(
                db,
                asked.client.get_client_id(),
                person.id,
                asked.session_id,
                asked.payload.data,
                self._ground.clock.now(),
            )

    def redeem(self, code: str, client: Client) -> grants.Granted | None:
        """The grant of a code, once."""
        with self._ground.database.writing() as db:
            found = grants.redeem(db, code, client.get_client_id(), self._ground.clock.now())
        return found if found is not None and self.holds(found) else None

    def refresh(self, secret: str, client: Client) -> grants.Granted | None:
        """The grant of a refresh token, once."""
        with self._ground.database.writing() as db:
            found = grants.refresh(db, secret, client.get_client_id(), self._ground.clock.now())
        return found if found is not None and self.holds(found) else None

    def holds(self, granted: grants.Granted) -> bool:
        """Whether the session that made the grant has not ended, and its person is still with us."""
        with self._ground.database.reading() as db:
            return identity_of(self._ground).sessions.stands(db, granted.session_id, self._ground.clock.now())

    def person(self, granted: grants.Granted) -> Person:
        """Who gave the grant."""
        with self._ground.database.reading() as db:
            return identity_of(self._ground).people.get(db, granted.person_id)

    def id_token(self, granted: grants.Granted) -> str:
        """The ID token of a grant, signed with the key for tokens (PROTOCOL 2.e, step 4)."""
        settings, now = self._ground.settings, int(self._ground.clock.now().timestamp())
        identity = identity_of(self._ground)
        with self._ground.database.writing() as db:  # the key for tokens is made when it is needed first
            person = identity.people.get(db, granted.person_id)
            sign_in = identity.sessions.sign_in(db, granted.session_id)
            key = token_keys_of(self._ground).signing(db, Kind.ED25519)
        said: dict[str, Any] = {
            "iss": self.issuer,
            "sub": person.wire_id,
            "aud": granted.client,
            "azp": granted.client,
            "iat": now,
            "exp": now + ID_TOKEN_LIFE_S,
            "nonce": granted.nonce,
            "sid": granted.sid,
            "acr": sign_in.acr,
            "amr": list(sign_in.amr),
            "idp": sign_in.idp,
            "org": {"id": f"{self.issuer}/actor", "name": settings.organisation},
            "name": person.name,
            "locale": person.language,
        }
        if sign_in.auth_time is not None:
            said["auth_time"] = sign_in.auth_time
        scope = granted.scope.split()
        if "actor" in scope:
            said["actor"] = person.actor
        if "email" in scope and person.email and sign_in.email_domain:
            said |= {"email": person.email, "email_verified": True}
        assert key.private is not None  # noqa: S101 -- `signing` opens it
        return tokens.sign(said, key.private, key.id)


class _Server(AuthorizationServer):  # type: ignore[misc]
    """Authlib's server, without a configuration of Flask; its grants find `house` through it."""

    def __init__(self, house: Server) -> None:
        super().__init__(query_client=house.client)
        self.scopes_supported = list(clients.SCOPES)
        self.house = house

    def save_token(self, token: Mapping[str, Any], request: Any) -> None:
        self.house.keep(token, request)

    def create_oauth2_request(self, request: Any) -> OAuth2Request:
        return request if isinstance(request, OAuth2Request) else _Form(flask_request)


class _Form(FlaskOAuth2Request):  # type: ignore[misc]
    """A posted form. That it came safely is the settings' matter: Authlib knows no `.localhost` and no proxy."""

    def __init__(self, request: Any) -> None:
        OAuth2Request.__init__(self, request.method, "https://here", headers=request.headers)
        self._request = request
        self.payload = BasicOAuth2Payload(dict(request.form))

    @property
    def args(self) -> Mapping[str, str]:
        return {}


class _Asked(OAuth2Request):  # type: ignore[misc]
    """An authorization request that was pushed before."""

    session_id = 0

    def __init__(self, parameters: Mapping[str, str]) -> None:
        super().__init__("GET", "https://here")
        self.payload = BasicOAuth2Payload(dict(parameters))

    @property
    def args(self) -> Mapping[str, str]:
        return cast("Mapping[str, str]", self.payload.data)

    form = args


class _Code(AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = (clients.PRIVATE_KEY_JWT,)

    def generate_authorization_code(self) -> str:
        return _house(self).issue(self.request, self.request.user)

    def save_authorization_code(self, code: str, request: Any) -> None:
        """It was kept when it was made."""

    def query_authorization_code(self, code: str, client: Client) -> grants.Granted | None:
        return _house(self).redeem(code, client)

    def delete_authorization_code(self, authorization_code: grants.Granted) -> None:
        """It was used up when it was found."""

    def authenticate_user(self, authorization_code: grants.Granted) -> Person:
        return _house(self).person(authorization_code)


class _Again(RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = (clients.PRIVATE_KEY_JWT,)
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> grants.Granted | None:
        return _house(self).refresh(refresh_token, self.request.client)

    def authenticate_user(self, refresh_token: grants.Granted) -> Person:
        return _house(self).person(refresh_token)

    def revoke_old_credential(self, refresh_token: grants.Granted) -> None:
        """It was used up when it was found."""


class _IdToken:
    """Puts the ID token beside the tokens of a code."""

    def __call__(self, grant: Any) -> None:
        def with_id_token(_grant: Any, response: Any) -> None:
            response[1]["id_token"] = _house(grant).id_token(grant.request.authorization_code)

        grant.register_hook("after_create_token_response", with_id_token)


def _house(grant: Any) -> Server:
    return cast("Server", grant.server.house)


def _read(form: Any, client: Client) -> dict[str, str]:
    """The parameters of a pushed request, each there once."""
    if "request_uri" in form or "request" in form:
        raise InvalidRequestError("A pushed request is no reference.")  # RFC 9126, section 2.1
    for name in form:
        if len(form.getlist(name)) > 1:
            raise InvalidRequestError(f"Multiple '{name}' in request.")
        if name in NAMES and len(form[name]) > MAX_PARAMETER_CHARS:
            raise InvalidRequestError(f"'{name}' is too long.")
    return {name: form[name] for name in NAMES & form.keys()} | {"client_id": client.get_client_id()}


def _new_tokens(scope: str, **_others: object) -> dict[str, Any]:
    return {
        "token_type": "Bearer",
        "access_token": new_secret(),
        "refresh_token": new_secret(),
        "expires_in": int(grants.ACCESS_LIFE.total_seconds()),
        "scope": scope,
    }


@once_per_ground
def server_of(ground: Ground) -> Server:
    """The one server of this process on this ground."""
    return Server(ground)
