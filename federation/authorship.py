"""What we say ourselves: completed with id, time and salt, proved by its actor, written once.

Rule: one serialisation an activity, whatever the number of partners (PERFORMANCE 3). `salt` makes
digests kept after an erasure reveal nothing (PROTOCOL 2.0, *Ids*).
"""

from __future__ import annotations

from federation import activity as activities
from federation import documents, proofs
from federation.activity import CONTEXT, Activity, Document, new_id
from federation.ports import Work
from federation.settings import Settings


def write(document: Document, actor: str, work: Work, settings: Settings) -> Activity:
    """`document` (type, object, audience …) as an activity of `actor`, which is ours; kept in the journal."""
    moment = f"{work.now:%Y-%m-%dT%H:%M:%SZ}"
    unsigned: Document = {
        "@context": list(CONTEXT),
        "id": f"{settings.origin}/a/{new_id()}",
        "actor": actor,
        "published": moment,
        "salt": new_id(),
        **document,
    }
    signed = proofs.sign(unsigned, work.actors.signer(actor), moment)
    written = activities.of(signed, documents.dumps(signed))
    work.journal.keep(written)
    return written
