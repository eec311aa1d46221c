"""A ticket for an uploaded file: lets the same person name it in a post, within a day, and nobody else.

Rule: a digest alone opens nothing, or whoever guesses or hears one could read the file. Source: SECURITY TH-35, TH-40.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64

from flask_babel import lazy_gettext as _

from node.core.errors import Invalid
from node.core.ground import Ground
from node.core.secrets import DoesNotOpen
from node.files.service import Taken

LIFETIME_S = 24 * 3600
PURPOSE = "uploaded file"


def issue(ground: Ground, taken: Taken, actor: str) -> str:
    """A ticket for what this person brought now."""
    facts = {
        "at": int(ground.clock.now().timestamp()),
        "by": actor,
        "name": taken.name,
        "type": taken.media_type,
        "size": taken.size,
        "sha256": taken.sha256.hex(),
    }
    sealed = ground.vault.seal(json.dumps(facts, separators=(",", ":")).encode(), PURPOSE)
    return urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")


def redeem(ground: Ground, ticket: str, actor: str) -> Taken:
    """The file of a ticket. Raises Invalid for one that is old, another's, or none."""
    try:
        sealed = urlsafe_b64decode(ticket.encode("ascii") + b"=" * (-len(ticket) % 4))
        facts = json.loads(ground.vault.open(sealed, PURPOSE))
    except (NotBase64, DoesNotOpen, ValueError) as error:
        raise _refused() from error
    age = int(ground.clock.now().timestamp()) - facts["at"]
    if facts["by"] != actor or not 0 <= age <= LIFETIME_S:
        raise _refused()
    return Taken(facts["name"], facts["type"], facts["size"], bytes.fromhex(facts["sha256"]))


def _refused() -> Invalid:
    sentence = _("This file is not here any more. Upload it again.")
    return Invalid(sentence, errors={"files": sentence})
