"""Names for things. On the wire 128 random bits, so that nothing can be guessed or counted (SECURITY, TH-40)."""

from __future__ import annotations

import base64
import secrets

WIRE_ID_BYTES = 16
WIRE_ID_CHARS = 22


def wire_id() -> str:
    """128 random bits as 22 characters of base64url; never begins with `-`, which a command reads as an option."""
    while True:
        name = base64.urlsafe_b64encode(secrets.token_bytes(WIRE_ID_BYTES)).rstrip(b"=").decode("ascii")
        if not name.startswith("-"):
            return name
