"""The clients of our provider: the nodes of partners with whom an agreement is in force, and nobody else.

Rule: the agreement is the registration. Its party names issuer and keys, and the redirect address follows from the two
origins, so nothing can be registered, and nothing stays when the agreement goes. Source: PROTOCOL 2.e; SECURITY TH-49.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from federation import charter, iris, tokens
from federation.authn import SignIn
from federation.errors import FederationError
from federation.fence import is_recent
from federation.ports import Relation
from node.core.ground import Ground
from node.relations import records

SCOPES = ("openid", "email", "actor")
"""`actor`: which actor somebody is."""
PRIVATE_KEY_JWT = "private_key_jwt"
GRANTS = frozenset({"authorization_code", "refresh_token"})


class Client:
    """A partner's node as a client; the methods are those that Authlib asks of one."""

    def __init__(self, relation: Relation, redirect_uri: str) -> None:
        self.relation = relation
        self.redirect_uri = redirect_uri

    @property
    def keys(self) -> list[dict[str, Any]]:
        """The JWK set of the node: its assertions are signed with the node key (PROTOCOL 2.e, step 2)."""
        return [tokens.jwk_of(key.multibase) for key in self.relation.keys]

    def get_client_id(self) -> str:
        """The IRI of the node actor."""
        return self.relation.node

    def get_default_redirect_uri(self) -> str:
        """None is taken by default: a request names it."""
        return ""

    def get_allowed_scope(self, scope: str) -> str | None:
        """The scope as asked; None, which refuses it, when a part is not known or `openid` is missing."""
        asked = scope.split() if scope else []
        return scope if "openid" in asked and set(asked) <= set(SCOPES) else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether it is the one address, character for character."""
        return redirect_uri == self.redirect_uri

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        """Whether a client may prove itself so."""
        return method == PRIVATE_KEY_JWT

    def check_response_type(self, response_type: str) -> bool:
        """The code flow alone."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether this grant is offered."""
        return grant_type in GRANTS


def client_of(session: Session, ground: Ground, client_id: object, now: datetime) -> Client | None:
    """The client of this id (the IRI of a node actor), or None when no agreement is in force with that node."""
    row = records.live(session, client_id) if isinstance(client_id, str) else None
    if row is None:
        return None
    relation = records.relation_of(row)
    try:
        charter.check_in_force(relation, now)
        return Client(relation, redirect_uri(relation.node, ground.settings.origin))
    except FederationError:
        return None


def redirect_uri(node: str, issuer: str) -> str:
    """Where the browser goes back to at the node actor `node` after a sign-in at `issuer` (an origin)."""
    return f"{iris.origin(node)}/auth/callback/{urlsplit(issuer).netloc}"


def named(client: Client) -> Mapping[str, str]:
    """How a page names the client: organisation and host."""
    return {"name": client.relation.name, "host": urlsplit(client.relation.node).netloc}


def missing(sign_in: SignIn, asked: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """What a request asks of the sign-in and did not get: `acr_values`, `max_age` (RFC 9470); empty when all is met."""
    accepted, most = asked.get("acr_values", ""), asked.get("max_age")
    weak = bool(accepted) and sign_in.acr not in accepted.split()
    old = most is not None and not is_recent(sign_in.auth_time, now, int(most))
    if not weak and not old:
        return {}
    return ({"acr_values": accepted} if accepted else {}) | ({} if most is None else {"max_age": int(most)})
