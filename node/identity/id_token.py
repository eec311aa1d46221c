"""ID tokens, checked: who signed, for whom, when, and in answer to which question of ours. Pure.

Rule: the algorithm is on our list and the key fits it; the key comes from the provider's set, never from the
token; every comparison is of whole strings. Source: OpenID Connect Core 1.0, section 3.1.3.7; RFC 8725;
SECURITY I5–I10, I15, F24, F25, TH-43.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from federation import documents
from federation.errors import Malformed

ALGORITHMS = {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}
"""Algorithm -> key type and curve. Nothing symmetric, nothing encrypted, no `none`."""

HEADER_MEMBERS = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
"""The thumbprints are ignored, not used; `jwk`, `jku`, `x5u`, `x5c`, `crit`, `zip`, `b64` refuse the token."""

MAX_TOKEN_CHARS = 16 * 1024
MAX_KEYS = 64
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 4096
LEEWAY_S = 60
MAX_AGE_S = 600  # it was made for this sign-in, which takes ten minutes at most
MAX_SUBJECT_CHARS = 255
_SEGMENTS = 3
_HASHES = {"RS256": hashlib.sha256, "ES256": hashlib.sha256, "EdDSA": hashlib.sha512}


class BadIdToken(Exception):
    """The token proves nothing. The message names the check and the value, for the log."""


class UnknownKey(BadIdToken):
    """No key of the set fits; the set may be outdated."""


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

    Raises BadIdToken; UnknownKey when a fresh key set might help.
    """
    header = _header(token)
    claims = _claims_of(token, _key(header, keys))
    _check_parties(claims, expected)
    _check_times(claims, expected.now)
    if not hmac.compare_digest(_text(claims, "nonce").encode(), expected.nonce.encode()):
        raise BadIdToken("nonce is another one.")
    if "at_hash" in claims and claims["at_hash"] != _half_hash(header["alg"], expected.access_token):
        raise BadIdToken("at_hash is of another access token.")
    return claims


def _header(token: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN_CHARS:
        raise BadIdToken(f"{len(token)} characters.")
    segments = token.split(".")
    if len(segments) != _SEGMENTS or not all(segments):
        raise BadIdToken(f"{len(segments)} segments; a signed token has {_SEGMENTS}.")
    try:
        header = documents.loads(urlsafe_b64decode(segments[0] + "=" * (-len(segments[0]) % 4)))
    except (NotBase64, ValueError, Malformed) as cause:
        raise BadIdToken("The header is not readable.") from cause
    unknown = sorted(set(header) - HEADER_MEMBERS)
    if unknown:
        raise BadIdToken(f"The header says {', '.join(unknown)}.")
    alg = header.get("alg")
    if not isinstance(alg, str) or alg not in ALGORITHMS:
        raise BadIdToken(f"alg is {alg!r}.")
    if str(header.get("typ", "JWT")).upper() != "JWT":
        raise BadIdToken(f"typ is {header['typ']!r}.")
    return header


def _key(header: Mapping[str, Any], keys: Sequence[Mapping[str, Any]]) -> Any:
    """The one key of the set that the header names and that fits its algorithm."""
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry

    kty, crv = ALGORITHMS[header["alg"]]
    fitting = [
        key
        for key in keys[:MAX_KEYS]
        if key.get("kty") == kty
        and (crv is None or key.get("crv") == crv)
        and key.get("use", "sig") == "sig"
        and key.get("alg", header["alg"]) == header["alg"]
        and ("kid" not in header or key.get("kid") == header["kid"])
    ]
    if len(fitting) != 1:
        raise UnknownKey(f"{len(fitting)} keys fit kid {header.get('kid')!r} and alg {header['alg']}.")
    public = {name: value for name, value in fitting[0].items() if name in {"kty", "crv", "n", "e", "x", "y"}}
    if kty == "RSA" and not MIN_RSA_BITS <= _bits(public.get("n")) <= MAX_RSA_BITS:
        raise BadIdToken(f"An RSA key of {_bits(public.get('n'))} bits.")
    try:
        return JWKRegistry.import_key(public)
    except (JoseError, ValueError, TypeError) as cause:
        raise BadIdToken("The key is not readable.") from cause


def _bits(modulus: object) -> int:
    """How many bits a base64url number has; 0 for what is none."""
    if not isinstance(modulus, str):
        return 0
    try:
        return int.from_bytes(urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))).bit_length()
    except (NotBase64, ValueError):
        return 0


def _claims_of(token: str, key: Any) -> dict[str, Any]:
    """The payload, once the signature holds."""
    from joserfc.errors import JoseError
    from joserfc.jws import JWSRegistry, deserialize_compact

    class Listed(JWSRegistry):
        """Only our algorithms; RFC 9864 renames EdDSA, but providers still say it and the key names the curve."""

        def get_alg(self, name: str) -> Any:
            return self.algorithms[name if name in ALGORITHMS else "refused"]

    try:
        signed = deserialize_compact(token, key, registry=Listed(strict_check_header=False))
        return documents.loads(signed.payload or b"", floats=True)
    except (JoseError, ValueError, TypeError, KeyError) as cause:
        raise BadIdToken("The signature does not hold.") from cause
    except Malformed as cause:
        raise BadIdToken("The payload is not readable.") from cause


def _check_parties(claims: Mapping[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise BadIdToken(f"iss is {claims.get('iss')!r}, not {expected.issuer!r}.")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if expected.client_id not in audiences or not all(isinstance(each, str) for each in audiences):
        raise BadIdToken(f"aud is {audience!r}.")
    if "azp" in claims or len(audiences) > 1:
        party = claims.get("azp")
        if party != expected.client_id:
            raise BadIdToken(f"azp is {party!r}.")
    subject = _text(claims, "sub")
    if not 0 < len(subject) <= MAX_SUBJECT_CHARS:
        raise BadIdToken(f"sub has {len(subject)} characters.")


def _check_times(claims: Mapping[str, Any], now: int) -> None:
    if _seconds(claims, "exp") <= now - LEEWAY_S:
        raise BadIdToken(f"exp is {claims['exp']}, now is {now}.")
    if not now - MAX_AGE_S <= _seconds(claims, "iat") <= now + LEEWAY_S:
        raise BadIdToken(f"iat is {claims['iat']}, now is {now}.")
    if "nbf" in claims and _seconds(claims, "nbf") > now + LEEWAY_S:
        raise BadIdToken(f"nbf is {claims['nbf']}, now is {now}.")


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        raise BadIdToken(f"{name} is {value!r}.")
    return value


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadIdToken(f"{name} is {value!r}.")
    return value


def _half_hash(alg: str, access_token: str) -> str:
    """at_hash: the left half of the hash, base64url. Source: OpenID Connect Core 1.0, section 3.1.3.6."""
    digest = _HASHES[alg](access_token.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
