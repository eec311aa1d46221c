"""Multibase with the one alphabet of the protocol: `z` and base58btc.

Rule: strict both ways, so one value has one text. Source: W3C Controlled Identifiers 1.0, section 2.4.
"""

from __future__ import annotations

from federation.errors import Malformed

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_PAIR_VALUES = {pair: value for value, pair in enumerate(_PAIRS)}
_DIGITS_PER_LIMB = 10  # 58^10 is below 2^60: the inner divisions stay within two machine words
_LIMB = 58**_DIGITS_PER_LIMB
_PAIR = 58**2
_MAX_CHARS = 1024  # conversion is quadratic; the longest we read is an RSA key of 4096 bits


def encode(raw: bytes) -> str:
    """`z` and base58btc of `raw`."""
    number = int.from_bytes(raw, "big")
    pairs: list[str] = []
    while number:
        number, limb = divmod(number, _LIMB)
        for _ in range(_DIGITS_PER_LIMB // 2):
            limb, pair = divmod(limb, _PAIR)
            pairs.append(_PAIRS[pair])
    pairs.reverse()
    zeros = len(raw) - len(raw.lstrip(b"\0"))
    return "z" + "1" * zeros + "".join(pairs).lstrip("1")


def decode(text: str) -> bytes:
    """The bytes of `text`; raises Malformed for another base, a strange character, or too many of them."""
    if not text.startswith("z") or len(text) > _MAX_CHARS:
        raise Malformed("Not base58btc in multibase, or too long.")
    digits = text[1:].lstrip("1")
    zeros = len(text) - 1 - len(digits)
    number = 0
    padded = "1" * (-len(digits) % _DIGITS_PER_LIMB) + digits
    try:
        for position in range(0, len(padded), _DIGITS_PER_LIMB):
            limb = 0
            for place in range(position, position + _DIGITS_PER_LIMB, 2):
                limb = limb * _PAIR + _PAIR_VALUES[padded[place : place + 2]]
            number = number * _LIMB + limb
    except KeyError as error:
        raise Malformed("A character is not of the base58btc alphabet.") from error
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")
