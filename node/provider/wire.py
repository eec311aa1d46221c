"""The provider's doors for machines: discovery, keys, pushed requests and tokens.

Rule: no cookie is read; a client proves itself with its node key, at both doors. Source: OpenID Connect Discovery 1.0;
RFC 8414; RFC 9126; RFC 6749; SECURITY TH-43, TH-49.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, jsonify
from flask import Response as Answer
from werkzeug.wrappers import Response

from federation import tokens
from node.core.http.context import ground
from node.core.http.csrf import exempt
from node.core.http.guards import OPEN_DOORS
from node.identity.services.token_keys import token_keys_of
from node.provider.services import clients

if TYPE_CHECKING:
    from node.provider.services.server import Server

CREATED = 201
KEPT_S = 300

OPEN_DOORS.update(
    {
        "provider_wire.configuration": "how partners' nodes find the endpoints: the same for everybody",
        "provider_wire.jwks": "public keys: the same for everybody",
        "provider_wire.push": "a partner's node asks for a sign-in; its key is the proof",
        "provider_wire.token": "a partner's node redeems a code; its key is the proof",
    }
)

wire = Blueprint("provider_wire", __name__)


@wire.get("/.well-known/openid-configuration")
def configuration() -> Answer:
    """What this provider is and can do (OpenID Connect Discovery 1.0, section 3)."""
    origin = ground().settings.origin
    answer = jsonify(
        {
            "issuer": origin,
            "authorization_endpoint": f"{origin}/oauth/authorize",
            "token_endpoint": f"{origin}/oauth/token",
            "pushed_authorization_request_endpoint": f"{origin}/oauth/par",
            "require_pushed_authorization_requests": True,
            "jwks_uri": f"{origin}/oauth/jwks",
            "scopes_supported": list(clients.SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": sorted(clients.GRANTS),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
            "token_endpoint_auth_methods_supported": [clients.PRIVATE_KEY_JWT],
            "token_endpoint_auth_signing_alg_values_supported": ["EdDSA"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "claims_supported": [
                *("sub", "name", "locale", "email", "email_verified", "actor", "org", "idp"),
                *("acr", "amr", "auth_time", "sid"),
            ],
            "ui_locales_supported": ["en", "fr"],
        }
    )
    answer.cache_control.max_age = KEPT_S
    return answer


@wire.get("/oauth/jwks")
def jwks() -> Answer:
    """The keys that sign our tokens (RFC 7517, section 5)."""
    with ground().database.reading() as db:
        keys = token_keys_of(ground()).published(db)
    answer = jsonify({"keys": [tokens.jwk_of_pem(key.public, key.id) for key in keys]})
    answer.cache_control.max_age = KEPT_S
    return answer


@wire.post("/oauth/par")
@exempt
def push() -> Response:
    """Takes an authorization request (RFC 9126)."""
    from authlib.oauth2.rfc6749 import OAuth2Error

    try:
        request_uri, seconds = _server().push()
    except OAuth2Error as refusal:
        ground().audit.count_refusal(f"provider.{refusal.error}")
        return _server().error(refusal)
    answer = jsonify({"request_uri": request_uri, "expires_in": seconds})
    answer.status_code = CREATED
    answer.cache_control.no_store = True
    return answer


@wire.post("/oauth/token")
@exempt
def token() -> Response:
    """Redeems a code or a refresh token (RFC 6749, sections 4.1.3 and 6)."""
    answer = _server().tokens()
    if answer.status_code >= 400:
        ground().audit.count_refusal("provider.token")
    return answer


def _server() -> Server:
    from node.provider.services.server import server_of  # brings Authlib along

    return server_of(ground())
