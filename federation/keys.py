"""Keys: Ed25519 to sign and to verify, RSA only to verify.

Rule: the key decides the algorithm, never a label beside it. A key id is `controller#fragment`, and the
controller is read from it alone. Source: RFC 8032; RFC 9421, section 3.3; FEP-521a; SECURITY TH-11, A12, A16.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from federation import multikey
from federation.errors import LocalError, Malformed

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 4096
RSA_EXPONENT = 65537


class Verifier(Protocol):
    """A public key, whatever its kind. `algorithm` is the name of RFC 9421, section 6.2.2."""

    @property
    def key_id(self) -> str: ...

    @property
    def algorithm(self) -> str: ...

    def verify(self, signature: bytes, data: bytes) -> bool: ...


@lru_cache(maxsize=4096)
def _verifying(raw: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(raw)


def controller_of(key_id: str) -> str:
    """The actor that a key belongs to by its id: what stands before `#`."""
    return key_id.partition("#")[0]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key, `raw` in 32 bytes. Raises Malformed for another length.

    After `expires` (RFC 3339) it proves what was made before, and nothing new; None while that is open.
    """

    key_id: str
    raw: bytes
    algorithm: str = field(default="ed25519", init=False, repr=False)
    expires: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if len(self.raw) != multikey.KEY_BYTES:
            raise Malformed("An Ed25519 public key has 32 bytes.")

    @classmethod
    def from_multibase(cls, key_id: str, text: str) -> PublicKey:
        """The key of a Multikey; raises Malformed."""
        return cls(key_id, multikey.decode(text))

    def holds_at(self, moment: datetime) -> bool:
        """Whether it may prove what is made at `moment`."""
        return self.expires is None or moment <= datetime.fromisoformat(self.expires)

    @property
    def method(self) -> dict[str, str]:
        """How an actor document names it (FEP-521a); with `expires` as Controlled Identifiers 1.0, 2.2, has it."""
        named = {
            "id": self.key_id,
            "type": "Multikey",
            "controller": self.controller,
            "publicKeyMultibase": self.multibase,
        }
        return named if self.expires is None else {**named, "expires": self.expires}

    @property
    def controller(self) -> str:
        return controller_of(self.key_id)

    @property
    def multibase(self) -> str:
        """`publicKeyMultibase`: `z6Mk…`."""
        return multikey.encode(self.raw)

    def verify(self, signature: bytes, data: bytes) -> bool:
        """True when `signature` is this key's over `data`. Never raises."""
        try:
            _verifying(self.raw).verify(signature, data)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key pair. The private half leaves it by `raw()` alone."""

    public: PublicKey
    _private: Ed25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def generate(cls, key_id: str) -> SigningKey:
        """A new key from the system's randomness."""
        return cls._of(Ed25519PrivateKey.generate(), key_id)

    @classmethod
    def from_raw(cls, raw: bytes, key_id: str) -> SigningKey:
        """The key of a secret of 32 bytes, as `raw()` gave it; raises LocalError for another length."""
        try:
            return cls._of(Ed25519PrivateKey.from_private_bytes(raw), key_id)
        except ValueError as error:
            raise LocalError("An Ed25519 secret key has 32 bytes.") from error

    @classmethod
    def _of(cls, private: Ed25519PrivateKey, key_id: str) -> SigningKey:
        return cls(PublicKey(key_id, private.public_key().public_bytes_raw()), private)

    @property
    def key_id(self) -> str:
        return self.public.key_id

    @property
    def controller(self) -> str:
        return self.public.controller

    def raw(self) -> bytes:
        """The secret, 32 bytes: only to be sealed and stored."""
        return self._private.private_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """The signature, 64 bytes."""
        return self._private.sign(data)


@dataclass(frozen=True, slots=True)
class RsaPublicKey:
    """An RSA public key for `rsa-v1_5-sha256`: 2048 to 4096 bits, exponent 65537."""

    key_id: str
    _key: RSAPublicKey = field(repr=False, compare=False)
    algorithm: str = field(default="rsa-v1_5-sha256", init=False, repr=False)

    @classmethod
    def from_pem(cls, key_id: str, pem: str) -> RsaPublicKey:
        """Read `publicKeyPem`; raises Malformed for other kinds, other sizes and what is no PEM."""
        try:
            key = load_pem_public_key(pem.encode("ascii"))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Malformed("Not a public key in PEM.") from error
        if not isinstance(key, RSAPublicKey):
            raise Malformed("Not an RSA key.")
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS or key.public_numbers().e != RSA_EXPONENT:
            raise Malformed(
                f"An RSA key has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits and exponent {RSA_EXPONENT}."
            )
        return cls(key_id, key)

    @property
    def controller(self) -> str:
        return controller_of(self.key_id)

    def verify(self, signature: bytes, data: bytes) -> bool:
        """True when `signature` is this key's over `data`. Never raises."""
        try:
            self._key.verify(signature, data, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True


def fingerprint(public: bytes) -> str:
    """base64url(SHA-256(raw public key)), unpadded: 43 characters (PROTOCOL 2.a, step 1)."""
    return urlsafe_b64encode(hashlib.sha256(public).digest()).rstrip(b"=").decode("ascii")


# Keys whose private halves stand in public texts (SECURITY A12).
_PUBLISHED = frozenset(
    multikey.decode(text)
    for text in (
        # RFC 8032, section 7
        "z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw",
        "z6MkiaMbhXHNA4eJVCCj8dbzKzTgYDKf6crKgHVHid1F1WCT",
        "z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME",
        "z6Mkh7U7jBwoMro3UeHmXes4tKtFbZhMRWejbtunbU4hhvjP",
        "z6MkvLrkgkeeWeRwktZGShYPiB5YuPkhN2yi3MqMKZMFMgWr",
        "z6MkuWpxSsRPxhj2Y6CJQcFknsouoSZ5f5gzRAKdnB8nzGLH",
        "z6MkfUFsZBHsQh8vy1TBHvYXLJLxpVkCaJCUXC5aBKKMtZJZ",
        # RFC 9421, appendix B.1.4
        "z6Mkh4LmfP1ev9MNPGr7JbEbtD6BD4fsu1duEj83PMCs3xHG",
        # W3C vc-di-eddsa; FEP-8b32
        "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2",
        # FEP-521a
        "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
        # test vectors of this profile
        "z6MktahAQ2qzeqesjLJ73C1NLsXjgc2MsoAvC3YkGhUsdRge",
        "z6MksJULaopXiBJvxuT4km1yycsb4icQLG6qQjg4M9m5LxJi",
        "z6MkoX77Snbfrakc2fWBPm5jJQJMgp36XZ3yScfFm7szjtrG",
        "z6MkgqWHMjLsGDYUo6reQgf7jKJ88s8hD8soKY4T8AisQiJN",
        "z6MktSKc2gp5umMM68fsuhRXKZ1xDedGrJCTrNoSwaKWNp6w",
        "z6Mkssuxkon5fWfDF4cXraN8kB1bUUzhQ1NWDpoMAKuDK8mj",
        "z6MkhXsNWWDh2ummrRxMKGrLszokY7PZZjAbYAGVAsPARR89",
        "z6MkqYp5tSExJxguwgFh1rMTSsrN53eVXYU553Kx8aDMbqGQ",
        "z6MksNaZYPpAWHDRxp4DYGNU7DTKjux9Ch9tCPh11zAc1ZD9",
        "z6MkitubtjutvT75btdjNs4EJSL8pvndUFdoiw5xsJj9Pnyv",
        "z6Mkm1QHG8kicsHyribfidMoux1NrBXWN1Mib9Us9cq2CPUj",
        "z6MkwgUUZvFhqSXhdCemqByR1iQxicjRZ3B2yufpdEVmMJkg",
    )
)


def is_published(raw: bytes) -> bool:
    """True for a public key whose secret everybody knows; production refuses to use it or to meet it."""
    return raw in _PUBLISHED
