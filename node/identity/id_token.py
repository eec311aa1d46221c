"""ID tokens of a provider of ours, checked: for whom, when, and in answer to which question. Pure.

Rule: `federation.tokens` says who signed; every comparison is of whole strings.
Source: OpenID Connect Core 1.0, section 3.1.3.7; RFC 8725; SECURITY I15, TH-43.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from federation import tokens
from federation.tokens import BadToken

LEEWAY_S = 60
MAX_AGE_S = 600  # it was made for this sign-in, which takes ten minutes at most
MAX_SUBJECT_CHARS = 255
_HASHES = {"RS256": hashlib.sha256, "ES256": hashlib.sha256, "EdDSA": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token must say."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str
    now: int
    """Seconds since 1970."""


def verify(token: str, keys: Sequence[Mapping[str, Any]], expected: Expected) -> dict[str, Any]:
    """The claims of a token that holds. `keys` are the members of the provider's JWK set.

    Raises BadToken; UnknownKey when a fresh key set might help.
    """
    claims, alg = tokens.verify(token, keys)
    _check_parties(claims, expected)
    _check_times(claims, expected.now)
    if not hmac.compare_digest(_text(claims, "nonce").encode(), expected.nonce.encode()):
        raise BadToken("nonce is another one.")
    if "at_hash" in claims and claims["at_hash"] != _half_hash(alg, expected.access_token):
        raise BadToken("at_hash is of another access token.")
    return claims


def _check_parties(claims: Mapping[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise BadToken(f"iss is {claims.get('iss')!r}, not {expected.issuer!r}.")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if expected.client_id not in audiences or not all(isinstance(each, str) for each in audiences):
        raise BadToken(f"aud is {audience!r}.")
    if "azp" in claims or len(audiences) > 1:
        party = claims.get("azp")
        if party != expected.client_id:
            raise BadToken(f"azp is {party!r}.")
    subject = _text(claims, "sub")
    if not 0 < len(subject) <= MAX_SUBJECT_CHARS:
        raise BadToken(f"sub has {len(subject)} characters.")


def _check_times(claims: Mapping[str, Any], now: int) -> None:
    if _seconds(claims, "exp") <= now - LEEWAY_S:
        raise BadToken(f"exp is {claims['exp']}, now is {now}.")
    if not now - MAX_AGE_S <= _seconds(claims, "iat") <= now + LEEWAY_S:
        raise BadToken(f"iat is {claims['iat']}, now is {now}.")
    if "nbf" in claims and _seconds(claims, "nbf") > now + LEEWAY_S:
        raise BadToken(f"nbf is {claims['nbf']}, now is {now}.")


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        raise BadToken(f"{name} is {value!r}.")
    return value


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadToken(f"{name} is {value!r}.")
    return value


def _half_hash(alg: str, access_token: str) -> str:
    """at_hash: the left half of the hash, base64url. Source: OpenID Connect Core 1.0, section 3.1.3.6."""
    digest = _HASHES[alg](access_token.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
