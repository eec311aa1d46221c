"""Introductions: how a key becomes known without anybody fetching it.

Rule: before a partner sees the first words of an actor, it has that actor's document, proved by the
key of the actor's node. What was introduced to whom is remembered by digest; what is missing is
added by itself, always before what needs it. Source: PROTOCOL 2.j.
"""

from __future__ import annotations

from collections.abc import Iterable

from federation import iris, multikey, proofs
from federation.activity import Document
from federation.errors import LocalError, Malformed, OutOfScope
from federation.keys import PublicKey
from federation.ports import Relation, Work
from federation.settings import Settings
from schemas.as2.actor import objections_to_actor


def missing(relation: Relation, actors: Iterable[str], work: Work) -> list[tuple[str, Document]]:
    """The documents among `actors` that this partner lacks, in the order given; those on its own
    origin it has.

    Raises LocalError when one is not known here either.
    """
    lacking = []
    for actor in dict.fromkeys(actors):
        if iris.same_origin(actor, relation.node):
            continue
        wanted = work.actors.digest(actor)
        if wanted is not None and work.introductions.known(relation, actor) == wanted:
            continue
        document = work.actors.document(actor)
        if document is None:
            raise LocalError(f"{actor} is to be introduced, and unknown here.")
        lacking.append((actor, document))
    return lacking


def introduction(document: Document, relation: Relation, space: str | None, settings: Settings) -> Document:
    """What introduces, still to be written: `Update` by our node for our own, else `Announce` by `space`."""
    if iris.same_origin(document["id"], settings.node):
        return {"type": "Update", "actor": settings.node, "to": [relation.node], "object": document}
    if space is None:
        raise LocalError(f"{document['id']} can be introduced by a space alone.")
    return {"type": "Announce", "actor": space, "to": [relation.node], "audience": space, "object": document}


def check(document: Document, node_key: PublicKey) -> None:
    """That an actor document is what its node says: its own key, on its own origin, and its proof.

    Raises:
        Malformed, OutOfScope, BadProof: it is not; nothing may be learned from it.
    """
    iri = document.get("id")
    if not isinstance(iri, str) or not iris.same_origin(iri, node_key.key_id):
        raise OutOfScope("An actor is introduced by the node of its own origin.")
    wrong = objections_to_actor(document)
    if wrong:
        raise Malformed(f"The actor document is none: {wrong}")
    for method in document["assertionMethod"]:
        multikey.decode(method["publicKeyMultibase"])
    proofs.verify(document, node_key)
