"""What we say ourselves: completed with id, time and salt, proved by its actor, written once.

Rule: one serialisation an activity, whatever the number of partners (PERFORMANCE 3). `salt` makes
digests kept after an erasure reveal nothing (PROTOCOL 2.0, *Ids*).
"""

from __future__ import annotations

from federation import activity as activities
from federation import documents, proofs
from federation.activity import CONTEXT, Activity, Document, new_id
from federation.keys import SigningKey
from federation.ports import Work
from federation.settings import Settings


def write(
    document: Document, actor: str, work: Work, settings: Settings, key: SigningKey | None = None
) -> Activity:
    """`document` (type, object, audience …) as an activity of `actor`, which is ours; kept in the journal.

    `key` proves it instead of the one with which the actor signs now.
    """
    moment = f"{work.now:%Y-%m-%dT%H:%M:%SZ}"
    unsigned: Document = {
        "@context": list(CONTEXT),
        "id": f"{settings.origin}/a/{new_id()}",
        "actor": actor,
        "published": moment,
        "salt": new_id(),
        **document,
    }
    signed = proofs.sign(unsigned, key or work.actors.signer(actor), moment)
    written = activities.of(signed, documents.dumps(signed))
    work.journal.keep(written)
    return written
