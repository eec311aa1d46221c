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


class DoesNotOpen(Exception):
    """Sealed under another key or for another purpose, or changed since."""


class Vault:
    """Seals and opens with keys derived from the secret key (at least 32 bytes)."""

    def __init__(self, secret_key: bytes) -> None:
        self._secret_key = secret_key
        self._cipher = AESGCM(self.derived("seal"))

    def derived(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose (HKDF-SHA256): the same for ever, unrelated to every other."""
        info = b"parvis:" + purpose.encode()
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self._secret_key)

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """`plain` encrypted; opens for the same purpose (say, the id of the row) only."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return FORM + nonce + self._cipher.encrypt(nonce, plain, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """What was sealed. Raises `DoesNotOpen`."""
        nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        if sealed[:1] != FORM:
            raise DoesNotOpen(f"Unknown form of a sealed value for {purpose}.")
        try:
            return self._cipher.decrypt(nonce, rest, purpose.encode())
        except (InvalidTag, ValueError) as bad:
            raise DoesNotOpen(f"The sealed value for {purpose} does not open.") from bad


def new_secret() -> str:
    """256 random bits as 43 characters of base64url: a session, a token, a one-time link."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_of(secret: str) -> str:
    """What is stored of a `new_secret`: SHA-256 in hexadecimal. Not for passwords, which people choose."""
    return hashlib.sha256(secret.encode()).hexdigest()


def same(one: str, other: str) -> bool:
    """Equality in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())
