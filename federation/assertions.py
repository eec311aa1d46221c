"""What a sign-in service says of somebody: ID tokens, logout tokens and security events, each checked whole. Pure.

Rule: `tokens` says who signed, from the set of keys that the caller holds; here stands for whom, when, and about whom
it may speak. Every comparison is of whole strings. Whether a `jti` was seen before is the caller's to remember.
Source: OpenID Connect Core 1.0, section 3.1.3.7; Back-Channel Logout 1.0, section 2.6; RFC 8417; RFC 9493;
PROTOCOL 2.d, 2.e; SECURITY I15, TH-43, TH-46.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from federation import iris
from federation.charter import DECLARED_ONLY, party
from federation.errors import Malformed
from federation.fence import is_recent, step_up
from federation.limits import CLOCK_SKEW_S
from federation.ports import Relation
from federation.tokens import BadToken, Claims, Jwk, verify

LOGOUT, SECURITY_EVENT = "logout+jwt", "secevent+jwt"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

LEEWAY_S = 60
MAX_AGE_S = 600  # an ID token was made for this sign-in, which takes ten minutes at most
LOGOUT_AGE_S = 120
EVENT_AGE_S = 7 * 86_400  # a transmitter tries again, and is polled after that
MAX_SUBJECT_CHARS = 255
_HASHES = {"RS256": hashlib.sha256, "ES256": hashlib.sha256, "EdDSA": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token must say. `access_token` is the one that came with it; `now` in seconds since 1970."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str
    now: int
    leeway_s: int = LEEWAY_S


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """A logout token: who (`subject`) or which session of the issuer (`session`) has ended; at least one is there."""

    id: str
    issuer: str
    subject: str | None
    session: str | None


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """A security event token. `type` is the URI of the event, `at` when it happened (`event_timestamp`, else `iat`).

    Of whom: `subject` at the issuer, `actor` on the issuer's origin, `session`; all None for an event about the stream.
    """

    id: str
    issuer: str
    type: str
    at: datetime
    subject: str | None
    actor: str | None
    session: str | None
    details: Claims


class ForeignSubject(BadToken):
    """A transmitter speaks about somebody of another issuer (PROTOCOL 2.d)."""


def id_token(token: str, keys: Sequence[Jwk], expected: Expected) -> Claims:
    """The claims of an ID token that holds. `keys` are the members of the issuer's JWK set.

    Raises BadToken; `tokens.UnknownKey` when a fresh key set might help.
    """
    claims, alg = verify(token, keys)
    _check_parties(claims, expected.issuer, expected.client_id)
    _check_subject(claims)
    now, leeway_s = expected.now, expected.leeway_s
    if _seconds(claims, "exp") <= now - leeway_s:
        raise BadToken(f"exp is {claims['exp']}, now is {now}.")
    if not now - MAX_AGE_S <= _seconds(claims, "iat") <= now + leeway_s:
        raise BadToken(f"iat is {claims['iat']}, now is {now}.")
    if "nbf" in claims and _seconds(claims, "nbf") > now + leeway_s:
        raise BadToken(f"nbf is {claims['nbf']}, now is {now}.")
    if not hmac.compare_digest(_text(claims, "nonce").encode(), expected.nonce.encode()):
        raise BadToken("nonce is another one.")
    if "at_hash" in claims and claims["at_hash"] != _half_hash(alg, expected.access_token):
        raise BadToken("at_hash is of another access token.")
    return claims


def check_partner(claims: Claims, relation: Relation, now: datetime) -> None:
    """That the claims of a partner's ID token lie within what was agreed on with it.

    Raises:
        BadToken: the actor or the mail address is not the partner's to vouch for.
        InsufficientAuthentication: a good token, but the agreement asks for a better sign-in (RFC 9470).
    """
    demands = (relation.agreement or {}).get("identity", {})
    try:
        at_home = iris.same_origin(_text(claims, "actor"), relation.node)
    except Malformed as cause:
        raise BadToken("actor is no address.") from cause
    if not at_home or claims["actor"] == relation.node:
        raise BadToken(f"actor {claims['actor']!r} is nobody of {relation.node}.")
    if demands.get("emailDomains") == DECLARED_ONLY:
        domain = _text(claims, "email").rpartition("@")[2].lower()
        declared = party(relation.agreement or {}, relation.node)["domains"]
        if (
            domain not in declared
            or domain not in relation.proven
            or claims.get("email_verified") is not True
        ):
            raise BadToken(f"{domain!r} is no mail domain that the agreement lists and the DNS proves.")
    accepted, most = demands.get("minAcr"), demands.get("maxAuthAge")
    if accepted and claims.get("acr") not in accepted:
        raise step_up(demands, "The sign-in is weaker than the agreement asks.")
    if most is not None and not is_recent(claims.get("auth_time"), now, most):
        raise step_up(demands, "The sign-in is older than the agreement allows.")


def logout_token(token: str, keys: Sequence[Jwk], issuer: str, client_id: str, now: int) -> LoggedOut:
    """What a logout token ends. `now` in seconds since 1970. Raises BadToken."""
    claims, _alg = verify(token, keys, LOGOUT)
    _check_parties(claims, issuer, client_id)
    if _seconds(claims, "exp") <= now - LEEWAY_S:
        raise BadToken(f"exp is {claims['exp']}, now is {now}.")
    if not now - LOGOUT_AGE_S <= _seconds(claims, "iat") <= now + LEEWAY_S:
        raise BadToken(f"iat is {claims['iat']}, now is {now}.")
    if "nonce" in claims:
        raise BadToken("A logout token has no nonce.")
    if not isinstance(_events(claims).get(LOGOUT_EVENT), dict):
        raise BadToken("It says no logout.")
    subject, session = _text_or_none(claims, "sub"), _text_or_none(claims, "sid")
    if subject is None and session is None:
        raise BadToken("Neither sub nor sid.")
    return LoggedOut(_id(claims), issuer, subject, session)


def security_event(token: str, keys: Sequence[Jwk], issuer: str, audience: str, now: int) -> SecurityEvent:
    """The one event of a security event token. `now` in seconds since 1970.

    Raises BadToken; ForeignSubject when it is about somebody of another issuer.
    """
    claims, _alg = verify(token, keys, SECURITY_EVENT)
    _check_parties(claims, issuer, audience)
    if "exp" in claims:
        raise BadToken("A security event does not expire: exp must not be there.")  # SSF 1.0, section 4.1.7
    if not now - EVENT_AGE_S <= _seconds(claims, "iat") <= now + CLOCK_SKEW_S:
        raise BadToken(f"iat is {claims['iat']}, now is {now}.")
    if len(_events(claims)) != 1:
        raise BadToken(f"{len(claims['events'])} events; one token says one.")
    ((kind, details),) = claims["events"].items()
    if not isinstance(details, dict):
        raise BadToken(f"The event is {details!r}.")
    subject, actor, session = _about(claims.get("sub_id"), issuer)
    at = _seconds(details, "event_timestamp") if "event_timestamp" in details else claims["iat"]
    return SecurityEvent(_id(claims), issuer, kind, _moment(at, now), subject, actor, session, details)


def _about(said: object, issuer: str) -> tuple[str | None, str | None, str | None]:
    """Subject, actor and session of a `sub_id`. Source: RFC 9493; SSF 1.0, section 3 (complex subjects)."""
    if not isinstance(said, dict):
        raise BadToken(f"sub_id is {said!r}.")
    parts = {"user": said} if said.get("format") != "complex" else said
    subject = actor = session = None
    for name in ("user", "actor", "session"):
        part = parts.get(name)
        match part:
            case None:
                continue
            case {"format": "iss_sub", "iss": str(iss), "sub": str(sub)} if 0 < len(sub) <= MAX_SUBJECT_CHARS:
                if iss != issuer:
                    raise ForeignSubject(f"{issuer} speaks about somebody of {iss!r}.")
                subject = sub
            case {"format": "uri", "uri": str(uri)} if name == "actor":
                if not _is_of(uri, issuer):
                    raise ForeignSubject(f"{issuer} speaks about {uri!r}.")
                actor = uri
            case {"format": "opaque", "id": str(key)}:
                session = key if name == "session" else session
            case _:
                raise BadToken(f"{name} of sub_id is {part!r}.")
    return subject, actor, session


def _is_of(uri: str, issuer: str) -> bool:
    try:
        return iris.same_origin(uri, issuer)
    except Malformed:
        return False


def _events(claims: Claims) -> dict[str, Any]:
    events = claims.get("events")
    if not isinstance(events, dict):
        raise BadToken(f"events is {events!r}.")
    return events


def _id(claims: Claims) -> str:
    said = _text(claims, "jti")
    if not 0 < len(said) <= MAX_SUBJECT_CHARS:
        raise BadToken(f"jti has {len(said)} characters.")
    return said


def _moment(seconds: float, now: int) -> datetime:
    if not 0 <= seconds <= now + CLOCK_SKEW_S:
        raise BadToken(f"event_timestamp is {seconds}, now is {now}.")
    return datetime.fromtimestamp(seconds, UTC)


def _check_parties(claims: Mapping[str, Any], issuer: str, client_id: str) -> None:
    if claims.get("iss") != issuer:
        raise BadToken(f"iss is {claims.get('iss')!r}, not {issuer!r}.")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences or not all(isinstance(each, str) for each in audiences):
        raise BadToken(f"aud is {audience!r}.")
    if ("azp" in claims or len(audiences) > 1) and claims.get("azp") != client_id:
        raise BadToken(f"azp is {claims.get('azp')!r}.")


def _check_subject(claims: Mapping[str, Any]) -> None:
    subject = _text(claims, "sub")
    if not 0 < len(subject) <= MAX_SUBJECT_CHARS:
        raise BadToken(f"sub has {len(subject)} characters.")


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        raise BadToken(f"{name} is {value!r}.")
    return value


def _text_or_none(claims: Mapping[str, Any], name: str) -> str | None:
    return _text(claims, name) if name in claims else None


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadToken(f"{name} is {value!r}.")
    return value


def _half_hash(alg: str, access_token: str) -> str:
    """at_hash: the left half of the hash, base64url. Source: OpenID Connect Core 1.0, section 3.1.3.6."""
    digest = _HASHES[alg](access_token.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
