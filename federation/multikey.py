"""Multikey: the text form of Ed25519 keys.

Rule: Ed25519 and nothing else; a public key that could verify more than one signer's words is no key.
Source: W3C Controlled Identifiers 1.0, section 2.2.2; FEP-521a; SECURITY A16.
"""

from __future__ import annotations

from federation import multibase
from federation.errors import LocalError, Malformed

KEY_BYTES = 32

_PUBLIC_CODE = b"\xed\x01"
_SECRET_CODE = b"\x80\x26"
_CHARS = 48
_PRIME = 2**255 - 19
_SIGN_BIT = 1 << 255

# y of the points of order 1, 2, 4 and 8 (RFC 7748, section 6.1 has the like for X25519); the sign bit is free.
_LOW_ORDER = frozenset(
    {
        0,
        1,
        _PRIME - 1,
        int.from_bytes(
            bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
        ),
        int.from_bytes(
            bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
        ),
    }
)


def _refuse_weak(public: bytes) -> None:
    y = int.from_bytes(public, "little") & ~_SIGN_BIT
    if y >= _PRIME:
        raise Malformed("A public key is not in its canonical form.")
    if y in _LOW_ORDER:
        raise Malformed("A public key is a point of low order.")


def encode(public: bytes) -> str:
    """The Multikey of an Ed25519 public key of 32 bytes: `z6Mk…`. Raises LocalError for another length."""
    if len(public) != KEY_BYTES:
        raise LocalError("An Ed25519 public key has 32 bytes.")
    return multibase.encode(_PUBLIC_CODE + public)


def _decode(text: str, code: bytes) -> bytes:
    if len(text) != _CHARS:
        raise Malformed("Not the Multikey of an Ed25519 key.")
    raw = multibase.decode(text)
    if len(raw) != len(code) + KEY_BYTES or not raw.startswith(code):
        raise Malformed("Not the Multikey of an Ed25519 key.")
    return raw[len(code) :]


def decode(text: str) -> bytes:
    """The 32 bytes of an Ed25519 public key; raises Malformed for other kinds and for points of low order."""
    public = _decode(text, _PUBLIC_CODE)
    _refuse_weak(public)
    return public


def decode_secret(text: str) -> bytes:
    """The 32 bytes of an Ed25519 secret key (`z3u2…`); raises Malformed."""
    return _decode(text, _SECRET_CODE)
