"""Secrets at rest: private keys sealed, tokens hashed, all under the one secret key of the node.

Rule: a sealed value is bound to its purpose, so that a row copied over another one does not open; a token is
stored as its hash alone. Source: SECURITY, TH-54; DECISIONS 14; RFC 5869; NIST SP 800-38D.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
NONCE_BYTES = 12
SECRET_BYTES = 32
FORM = b"\x01"  # AES-256-GCM, nonce, ciphertext and tag
SEALED = "sealed"


class DoesNotOpen(Exception):
    """Sealed under another key or for another purpose, or changed since."""


class Vault:
    """Seals with keys derived from the first secret key (at least 32 bytes), opens with the former ones too."""

    def __init__(self, secret_key: bytes, *former: bytes) -> None:
        self._secret_key = secret_key
        self._cipher, *self._former = (AESGCM(_derived(key, "seal")) for key in (secret_key, *former))

    def derived(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose (HKDF-SHA256): as long the same as the secret key, unrelated to others."""
        return _derived(self._secret_key, purpose)

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """`plain` encrypted; opens for the same purpose (say, the id of the row) only."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return FORM + nonce + self._cipher.encrypt(nonce, plain, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """What was sealed. Raises `DoesNotOpen`."""
        for cipher in (self._cipher, *self._former):
            opened = _opened(cipher, sealed, purpose)
            if opened is not None:
                return opened
        raise DoesNotOpen(f"The sealed value for {purpose} does not open.")

    def resealed(self, sealed: bytes, purpose: str) -> bytes | None:
        """The same under the first key; None when it is already. Raises `DoesNotOpen`."""
        if _opened(self._cipher, sealed, purpose) is not None:
            return None
        return self.seal(self.open(sealed, purpose), purpose)


def sealed_for(purpose: str) -> dict[str, str]:
    """`info` of a column of sealed values: what each is sealed for, made of the columns of its row (`key {key_id}`)."""
    return {SEALED: purpose}


def _derived(secret_key: bytes, purpose: str) -> bytes:
    info = b"parvis:" + purpose.encode()
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(secret_key)


def _opened(cipher: AESGCM, sealed: bytes, purpose: str) -> bytes | None:
    if sealed[:1] != FORM:
        return None
    try:
        return cipher.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], purpose.encode())
    except (InvalidTag, ValueError):
        return None


def new_secret() -> str:
    """256 random bits as 43 characters of base64url: a session, a token, a one-time link."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_of(secret: str) -> str:
    """What is stored of a `new_secret`: SHA-256 in hexadecimal. Not for passwords, which people choose."""
    return hashlib.sha256(secret.encode()).hexdigest()


def same(one: str, other: str) -> bool:
    """Equality in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())
