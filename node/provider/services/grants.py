"""Requests, consents and grants of the provider, over their tables.

Rule: a code is good once, for a minute, for the client that it was made for; a refresh token is good once; a second use
of either ends the grant. A grant lives no longer than the session that made it. Source: RFC 6749; RFC 9126; RFC 9700,
section 4.14; SECURITY I14, I16, TH-42, TH-49.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from federation import documents
from node.core import ids
from node.core.secrets import hash_of, new_secret
from node.provider import tables

REQUEST_URI = "urn:ietf:params:oauth:request_uri:"  # RFC 9126, section 2.2
REQUEST_LIFE = timedelta(minutes=10)  # long enough to sign in at one's company
CODE_LIFE = timedelta(seconds=60)
ACCESS_LIFE = timedelta(minutes=5)
GRANT_LIFE = timedelta(hours=8)  # SECURITY TH-45: the session of a partner's person lives no longer
ENDED_KEPT = timedelta(days=30)
USED_KEPT = timedelta(hours=1)

_GRANT = tables.Grant
_REFRESH = tables.RefreshToken


@dataclass(slots=True, eq=False, repr=False)
class Granted:
    """A grant that holds; the methods are those that Authlib asks of a code and of a refresh token."""

    id: int
    sid: str
    client: str
    person_id: int
    session_id: int
    scope: str
    nonce: str
    redirect_uri: str
    code_challenge: str
    code_challenge_method: str = "S256"

    def get_redirect_uri(self) -> str:
        """The address that the code went to."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """What was granted."""
        return self.scope

    def check_client(self, client: Any) -> bool:
        """Whether it was granted to this client."""
        return bool(client.get_client_id() == self.client)


def push(db: Session, client: str, parameters: Mapping[str, str], now: datetime) -> str:
    """Keeps an authorization request that was found good; answers its `request_uri`."""
    db.execute(delete(tables.PushedRequest).where(tables.PushedRequest.expires_at < now))
    secret = new_secret()
    db.add(
        tables.PushedRequest(
            request_hash=hash_of(secret),
            client=client,
            parameters=json.dumps(dict(parameters), separators=(",", ":")),
            expires_at=now + REQUEST_LIFE,
        )
    )
    return REQUEST_URI + secret


def pushed(db: Session, client: str, request_uri: str, now: datetime) -> dict[str, str] | None:
    """The parameters of a request that this client has pushed, or None when there is none, or no more."""
    row = (
        db.get(tables.PushedRequest, _hash_of_uri(request_uri))
        if request_uri.startswith(REQUEST_URI)
        else None
    )
    if row is None or row.client != client or row.expires_at <= now:
        return None
    return documents.loads(row.parameters.encode())


def take(db: Session, request_uri: str) -> bool:
    """Ends a request: whether it was still there."""
    gone = delete(tables.PushedRequest).where(tables.PushedRequest.request_hash == _hash_of_uri(request_uri))
    return bool(db.execute(gone.returning(tables.PushedRequest.request_hash)).all())


def consented(db: Session, person_id: int, client: str) -> frozenset[str]:
    """What somebody has let this partner know."""
    row = db.get(tables.Consent, (person_id, client))
    return frozenset() if row is None else frozenset(row.scope.split())


def consent(db: Session, person_id: int, client: str, scope: str, now: datetime) -> None:
    """Keeps that somebody agreed."""
    db.merge(tables.Consent(person_id=person_id, client=client, scope=scope, given_at=now))


def issue(
    db: Session, client: str, person_id: int, session_id: int, asked: Mapping[str, str], now: datetime
) -> str:
    """A grant with its code, for the parameters `asked` that were pushed. Answers the code."""
    db.execute(delete(_GRANT).where(_GRANT.expires_at < now - ENDED_KEPT))
    code = new_secret()
    db.add(
        _GRANT(
            sid=ids.wire_id(),
            client=client,
            person_id=person_id,
            session_id=session_id,
            scope=asked["scope"],
            nonce=asked["nonce"],
            redirect_uri=asked["redirect_uri"],
            code_challenge=asked["code_challenge"],
            code_hash=hash_of(code),
            code_expires_at=now + CODE_LIFE,
            code_used_at=None,
            created_at=now,
            expires_at=now + GRANT_LIFE,
            ended_at=None,
        )
    )
    return code


def redeem(db: Session, code: str, client: str, now: datetime) -> Granted | None:
    """The grant of a code, which is used up now whoever brought it; None, and the grant ends, when it was before or
    is another client's.
    """
    row = db.scalar(select(_GRANT).where(_GRANT.code_hash == hash_of(code)).with_for_update())
    if row is None:
        return None
    if row.code_used_at is not None or row.client != client:
        row.ended_at = row.ended_at or now
        return None
    row.code_used_at = now
    if row.code_expires_at <= now or row.ended_at is not None:
        return None
    return _granted(row)


def refresh(db: Session, secret: str, client: str, now: datetime) -> Granted | None:
    """The grant of a refresh token, which is used up now; None, and the grant ends, when it was before or is another
    client's.
    """
    token = db.get(_REFRESH, hash_of(secret), with_for_update=True)
    if token is None:
        return None
    row = db.get_one(_GRANT, token.grant_id)
    if token.used_at is not None or row.client != client:
        row.ended_at = row.ended_at or now
        return None
    token.used_at = now
    forgotten = _REFRESH.used_at < now - USED_KEPT
    db.execute(delete(_REFRESH).where(_REFRESH.grant_id == row.id, forgotten))
    return _granted(row) if row.ended_at is None and row.expires_at > now else None


def keep(db: Session, grant_id: int, refresh_token: str) -> None:
    """Keeps the refresh token made for a grant; the access token beside it opens no door, and is not kept."""
    db.add(_REFRESH(secret_hash=hash_of(refresh_token), grant_id=grant_id, used_at=None))


def _hash_of_uri(request_uri: str) -> str:
    return hash_of(request_uri.removeprefix(REQUEST_URI))


def _granted(row: tables.Grant) -> Granted:
    return Granted(
        id=row.id,
        sid=row.sid,
        client=row.client,
        person_id=row.person_id,
        session_id=row.session_id,
        scope=row.scope,
        nonce=row.nonce,
        redirect_uri=row.redirect_uri,
        code_challenge=row.code_challenge,
    )
