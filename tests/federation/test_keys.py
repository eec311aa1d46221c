"""Keys: the answers of RFC 8032, the kinds and sizes that are refused, the published ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from federation import multikey
from federation.errors import LocalError, Malformed
from federation.keys import PublicKey, RsaPublicKey, SigningKey, controller_of, fingerprint, is_published

KEY_ID = "https://node.bolt.example/actor#ed25519"
# RFC 8032, section 7.1, TEST 2
SECRET = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def _pem(key: Any) -> str:
    return str(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def test_rfc8032_test_2() -> None:
    key = SigningKey.from_raw(SECRET, KEY_ID)
    assert key.public.raw == PUBLIC
    assert key.sign(b"\x72") == SIGNATURE
    assert key.public.verify(SIGNATURE, b"\x72")


@pytest.mark.parametrize("signature", [b"", b"x", SIGNATURE[:63], SIGNATURE + b"\0", b"\0" * 64])
def test_another_signature_does_not_verify(signature: bytes) -> None:
    assert not PublicKey(KEY_ID, PUBLIC).verify(signature, b"\x72")
    assert not PublicKey(KEY_ID, PUBLIC).verify(SIGNATURE, b"\x73")


def test_a_signature_with_s_beyond_the_order_does_not_verify() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(SIGNATURE[32:], "little") + order
    assert not PublicKey(KEY_ID, PUBLIC).verify(SIGNATURE[:32] + s.to_bytes(32, "little"), b"\x72")


def test_a_key_says_whose_it_is() -> None:
    key = SigningKey.generate(KEY_ID)
    assert key.key_id == key.public.key_id == KEY_ID
    assert (
        key.controller == key.public.controller == controller_of(KEY_ID) == "https://node.bolt.example/actor"
    )
    assert PublicKey.from_multibase(KEY_ID, key.public.multibase) == key.public
    assert key.public.algorithm == "ed25519"


def test_the_secret_is_given_back_and_never_printed() -> None:
    key = SigningKey.generate(KEY_ID)
    assert SigningKey.from_raw(key.raw(), KEY_ID).public == key.public
    assert repr(key.raw()) not in repr(key)
    assert "private" not in repr(key).lower()


def test_two_keys_are_never_the_same() -> None:
    assert SigningKey.generate(KEY_ID).raw() != SigningKey.generate(KEY_ID).raw()


def test_other_lengths_are_refused() -> None:
    with pytest.raises(LocalError):
        SigningKey.from_raw(b"short", KEY_ID)
    with pytest.raises(Malformed):
        PublicKey(KEY_ID, b"short")
    with pytest.raises(Malformed):
        PublicKey.from_multibase(KEY_ID, "zshort")


def test_known_fingerprint_of_the_profile() -> None:
    raw = multikey.decode("z6MktahAQ2qzeqesjLJ73C1NLsXjgc2MsoAvC3YkGhUsdRge")
    assert fingerprint(raw) == "s-ox3_Db2DLAGA8w76Y1d0Mh2kA61v9selFozIsfqAo"


def test_rsa_verifies_pkcs1_with_sha256() -> None:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    private = rsa.generate_private_key(65537, 2048)
    key = RsaPublicKey.from_pem("https://a.example/u#main-key", _pem(private.public_key()))
    signature = private.sign(b"words", PKCS1v15(), SHA256())
    assert key.verify(signature, b"words")
    assert not key.verify(signature, b"other words")
    assert not key.verify(b"", b"words")
    assert key.controller == "https://a.example/u"
    assert key.algorithm == "rsa-v1_5-sha256"


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "é",
        _pem(Ed25519PrivateKey.from_private_bytes(SECRET).public_key()),
        _pem(ec.generate_private_key(ec.SECP256R1()).public_key()),
        _pem(rsa.generate_private_key(65537, 1024).public_key()),
        _pem(rsa.RSAPublicNumbers(3, 2**2047 + 1).public_key()),
        _pem(rsa.RSAPublicNumbers(65537, 2**4103 + 1).public_key()),
    ],
)
def test_other_kinds_and_sizes_are_no_rsa_key(pem: str) -> None:
    with pytest.raises(Malformed):
        RsaPublicKey.from_pem("https://a.example/u#main-key", pem)


@given(st.text(max_size=200))
def test_pem_of_strangers_is_read_or_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        RsaPublicKey.from_pem("k", f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----")


@pytest.mark.parametrize(
    "secret",
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",  # RFC 8032, TEST 1
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5",
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6",
        "ab9c2853ce297ddab85c993b3ae14bcad39b2c682beabc27d6d4eb20711d6560",
        "9f8362f87a484a954e6e740c5b4c0e84229139a20aa8ab56ff66586f6a7d29c5",  # RFC 9421, B.1.4
    ],
)
def test_keys_of_the_rfcs_are_published(secret: str) -> None:
    assert is_published(SigningKey.from_raw(bytes.fromhex(secret), "k").public.raw)


def test_keys_of_the_vectors_are_published(vectors: Path) -> None:
    found = 0
    for path in [*vectors.glob("own-*/keys.json"), *vectors.glob("w3c-vc-di-eddsa/keyPair.json")]:
        stack: list[Any] = [json.loads(path.read_bytes())]
        while stack:
            value = stack.pop()
            if isinstance(value, dict):
                stack.extend(value.values())
                if "publicKeyMultibase" in value:
                    found += 1
                    assert is_published(multikey.decode(value["publicKeyMultibase"]))
            elif isinstance(value, list):
                stack.extend(value)
    assert found > 10


def test_a_new_key_is_not_published() -> None:
    assert not is_published(SigningKey.generate("k").public.raw)
