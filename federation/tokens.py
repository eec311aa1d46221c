"""Signed tokens (JWS, compact): read by an explicit list of algorithms and an explicit set of keys, and made.

Rule: the algorithm is on our list and the key fits it; the key comes from the set that the caller holds, never from the
token; nothing is fetched. The library of JOSE is imported at the first token.
Source: RFC 7515; RFC 8725; SECURITY I5–I10, F24, F25, TH-43.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from federation import documents, multikey
from federation.errors import FederationError, Malformed
from federation.keys import SigningKey

ALGORITHMS = {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}
"""Algorithm -> key type and curve. Nothing symmetric, nothing encrypted, no `none`."""

HEADER_MEMBERS = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
"""The thumbprints are ignored, not used; `jwk`, `jku`, `x5u`, `x5c`, `crit`, `zip`, `b64` refuse the token."""

JWT = "JWT"
MAX_TOKEN_CHARS = 16 * 1024
MAX_KEYS = 64
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 4096
_SEGMENTS = 3

Jwk = Mapping[str, Any]
Claims = dict[str, Any]


class BadToken(FederationError):
    """The token proves nothing. The message names the check and the value, for the log."""


class UnknownKey(BadToken):
    """No key of the set fits; the set may be outdated."""


def verify(token: str, keys: Sequence[Jwk], typ: str = JWT) -> tuple[Claims, str]:
    """The claims of a token whose signature holds, and its algorithm. `keys` are the members of a JWK set.

    `typ` must stand in the header, but `JWT` need not (RFC 8725, section 3.11). Raises BadToken; UnknownKey when a
    fresh key set might help.
    """
    header = _header(token)
    said = header.get("typ", JWT if typ == JWT else None)
    if not isinstance(said, str) or said.lower() != typ.lower():
        raise BadToken(f"typ is {said!r}, not {typ}.")
    return _claims_of(token, _key(header, keys)), header["alg"]


def sign(
    claims: Mapping[str, Any], private: Ed25519PrivateKey | RSAPrivateKey, key_id: str, typ: str = JWT
) -> str:
    """The compact token of these claims: EdDSA or RS256, as the key is."""
    if isinstance(private, RSAPrivateKey):
        return _compact(claims, "RS256", key_id, typ, lambda data: private.sign(data, PKCS1v15(), SHA256()))
    return _compact(claims, "EdDSA", key_id, typ, private.sign)


def sign_as_node(claims: Mapping[str, Any], key: SigningKey, typ: str = JWT) -> str:
    """The same by a node key; its `kid` is the Multikey, as `jwk_of` names it (PROTOCOL 2.e, step 2)."""
    return _compact(claims, "EdDSA", key.public.multibase, typ, key.sign)


def jwk_of_pem(pem: str, key_id: str) -> dict[str, Any]:
    """The public JWK of a public key in PEM, Ed25519 or RSA, as it stands in a JWK set (RFC 7517, section 4)."""
    from joserfc.jwk import OKPKey, RSAKey

    public = load_pem_public_key(pem.encode("ascii"))
    rsa = isinstance(public, RSAPublicKey)
    key: Any = (RSAKey if rsa else OKPKey).import_key(pem)
    alg = "RS256" if rsa else "EdDSA"
    return {**key.as_dict(private=False), "kid": key_id, "alg": alg, "use": "sig"}


def jwk_of(key: str) -> dict[str, Any]:
    """The public JWK of a Multikey; its `kid` is the Multikey (PROTOCOL 2.e, step 2)."""
    public = _base64(multikey.decode(key))
    return {"kty": "OKP", "crv": "Ed25519", "x": public, "kid": key, "alg": "EdDSA", "use": "sig"}


def _compact(
    claims: Mapping[str, Any], alg: str, key_id: str, typ: str, signer: Callable[[bytes], bytes]
) -> str:
    header = {"alg": alg, "kid": key_id, "typ": typ}
    signed = ".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    return f"{signed}.{_base64(signer(signed.encode('ascii')))}"


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _header(token: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN_CHARS:
        raise BadToken(f"{len(token)} characters.")
    segments = token.split(".")
    if len(segments) != _SEGMENTS or not all(segments):
        raise BadToken(f"{len(segments)} segments; a signed token has {_SEGMENTS}.")
    try:
        header = documents.loads(urlsafe_b64decode(segments[0] + "=" * (-len(segments[0]) % 4)))
    except (NotBase64, ValueError, Malformed) as cause:
        raise BadToken("The header is not readable.") from cause
    unknown = sorted(set(header) - HEADER_MEMBERS)
    if unknown:
        raise BadToken(f"The header says {', '.join(unknown)}.")
    alg = header.get("alg")
    if not isinstance(alg, str) or alg not in ALGORITHMS:
        raise BadToken(f"alg is {alg!r}.")
    return header


def _key(header: Mapping[str, Any], keys: Sequence[Jwk]) -> Any:
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
        raise BadToken(f"An RSA key of {_bits(public.get('n'))} bits.")
    try:
        return JWKRegistry.import_key(public)
    except (JoseError, ValueError, TypeError) as cause:
        raise BadToken("The key is not readable.") from cause


def _bits(modulus: object) -> int:
    """How many bits a base64url number has; 0 for what is none."""
    if not isinstance(modulus, str):
        return 0
    try:
        return int.from_bytes(urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))).bit_length()
    except (NotBase64, ValueError):
        return 0


def _claims_of(token: str, key: Any) -> Claims:
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
        raise BadToken("The signature does not hold.") from cause
    except Malformed as cause:
        raise BadToken("The payload is not readable.") from cause
