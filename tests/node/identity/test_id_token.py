"""ID tokens against the vectors of the profile: those that the token alone decides."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from federation.tokens import BadToken
from node.identity.id_token import Expected, verify
from tests.conftest import VECTORS

BY_THE_CHARTER = {
    "idtoken-acr-too-low",
    "idtoken-auth-too-old",
    "idtoken-email-domain-not-in-agreement",
    "idtoken-foreign-actor",
}
FILES = sorted((VECTORS / "own-identity-tokens").glob("idtoken-*.json")) if VECTORS else []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_vectors_of_the_profile(path: Path) -> None:
    vector = json.loads(path.read_text())
    given = json.loads((path.parent / "jwks.json").read_text())
    expected = Expected(
        issuer=given["expected"]["iss"],
        client_id=given["expected"]["aud"],
        nonce=given["expected"]["nonce"],
        access_token="opaque",
        now=given["now_epoch"],
    )
    keys = given[expected.issuer]["keys"]
    if vector["expect"] == "accept" or path.stem in BY_THE_CHARTER:
        assert verify(vector["compact"], keys, expected) == vector["claims"]
    else:
        with pytest.raises(BadToken):
            verify(vector["compact"], keys, expected)


def eddsa_token(claims: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    key = OKPKey.generate_key("Ed25519", {"kid": "e"})
    text = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "EdDSA", "kid": "e"}, claims)
    )
    signature = base64.urlsafe_b64encode(JWSRegistry.algorithms["EdDSA"].sign(text.encode(), key))
    return f"{text}.{signature.rstrip(b'=').decode()}", [dict(key.as_dict(private=False))]


@pytest.mark.parametrize(("access_token", "holds"), [("opaque", True), ("another", False)])
def test_at_hash_of_ed25519_is_half_of_sha_512(access_token: str, holds: bool) -> None:
    half = base64.urlsafe_b64encode(hashlib.sha512(b"opaque").digest()[:32]).rstrip(b"=").decode()
    claims = {"iss": "i", "sub": "s", "aud": ["c"], "exp": 1100, "iat": 1000.5, "nonce": "n", "at_hash": half}
    token, keys = eddsa_token(claims)
    expected = Expected("i", "c", "n", access_token, 1000)
    if holds:
        assert verify(token, keys, expected)["sub"] == "s"
    else:
        with pytest.raises(BadToken, match="at_hash"):
            verify(token, keys, expected)


def test_a_token_without_kid_is_of_the_only_key_that_fits() -> None:
    claims = {"iss": "i", "sub": "s", "aud": "c", "exp": 1100, "iat": 1000, "nonce": "n"}
    token, keys = eddsa_token(claims)
    other = dict(OKPKey.generate_key("Ed25519", {"kid": "f"}).as_dict(private=False))
    rsa = {"kty": "RSA", "n": "x", "e": "AQAB", "kid": "e"}
    assert verify(token, [rsa, *keys, other], Expected("i", "c", "n", "t", 1000)) == claims
