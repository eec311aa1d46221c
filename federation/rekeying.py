"""Rekeying: how the keys of a node change, and how they end, without anybody fetching them.

Rule: a new key is named in the node's actor document, which a key that holds has proved, and shows by a proof of its
own that the node has it. A key that was revoked proves its own end and nothing else: from then on the relation
carries only the comparison of the fingerprint, until both admins have made it. No key id is given twice.
Source: PROTOCOL 2.0 (*Node key*), 2.a (*Key compromise*), 2.j; Controlled Identifiers 1.0, 2.2; SECURITY TH-08.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from federation import documents, iris, proofs
from federation.activity import CONTEXT, Document
from federation.errors import BadProof, Malformed, OutOfScope, ReplayedMessage, Unauthentic
from federation.keys import PublicKey, SigningKey, controller_of
from federation.ports import Relation, Work
from federation.proofs import Proof
from schemas.as2.actor import objections_to_actor

TYPE = "Rekeying"


@dataclass(frozen=True, slots=True)
class Revoked:
    """A key that ended at once; what it proved from `since` on (UTC, RFC 3339) is not believed."""

    key: PublicKey
    since: str


@dataclass(frozen=True, slots=True)
class Change:
    """What an actor document makes of the keys of its node: those that hold, the current first, and those ended."""

    keys: tuple[PublicKey, ...]
    revoked: tuple[Revoked, ...]
    compare: bool
    """The node has changed its key without us; it is compared like one after a revocation."""


# -- reading an actor document


def keys_of(document: Document) -> list[PublicKey]:
    """The keys that an actor document names, without those revoked; the current first. Raises Malformed."""
    return [
        PublicKey(each["id"], _raw(each), expires=each.get("expires"))
        for each in _methods(document)
        if "revoked" not in each
    ]


def revoked_in(document: Document) -> list[Revoked]:
    """The keys that an actor document revokes. Raises Malformed."""
    return [
        Revoked(PublicKey(each["id"], _raw(each)), each.get("compromisedSince") or each["revoked"])
        for each in _methods(document)
        if "revoked" in each
    ]


def _methods(document: Document) -> Iterator[Document]:
    for each in documents.as_list(document.get("assertionMethod")):
        if isinstance(each, dict) and each.get("type") == "Multikey":
            yield each


def _raw(method: Document) -> bytes:
    return PublicKey.from_multibase(method["id"], method["publicKeyMultibase"]).raw


def dated_keys(document: Document) -> list[PublicKey]:
    """All keys that an actor document names, for what they proved: one that was revoked ended when it was compromised.

    Raises Malformed.
    """
    ended = [replace(each.key, expires=each.since) for each in revoked_in(document)]
    return [*keys_of(document), *ended]


def moment_of(proof: Proof) -> datetime:
    """When a proof was made, by its own word. Raises BadProof when it does not say."""
    if proof.created is None:
        raise BadProof("A proof by a key of the past says when it was made.")
    try:
        return datetime.fromisoformat(proof.created)
    except ValueError as error:
        raise BadProof("A time of the proof is on no calendar.") from error


def key_for(proof: Proof, keys: Sequence[PublicKey], work: Work) -> PublicKey | None:
    """The key that a proof names: one of `keys`, else the one that held when the proof was made (2.c)."""
    method = proof.verification_method
    key = next((each for each in keys if each.key_id == method), None)
    if key is not None and (key.expires is None or key.holds_at(moment_of(proof))):
        return key
    return work.actors.key_at(method, moment_of(proof))


def node_key(relation: Relation, key_id: str, now: datetime) -> PublicKey:
    """The key of the partner's node by this id, if it holds now.

    Raises Unauthentic when the node has no such key, or has it no more.
    """
    for key in relation.keys:
        if key.key_id == key_id and key.holds_at(now):
            return key
    raise Unauthentic("The partner's node has no such key, or has it no more.")


def node_key_for(document: Document, relation: Relation, work: Work) -> PublicKey:
    """The key of the partner's node that a document of its names. Raises BadProof when it names none of them."""
    proof = proofs.proof_of(document)
    key = key_for(proof, relation.keys, work) if proof.controller == relation.node else None
    if key is None:
        raise BadProof("The proof is by no key of the partner's node.")
    return key


def keys_for(document: Document, node: str, keys: Sequence[PublicKey], work: Work) -> tuple[PublicKey, ...]:
    """By which key of a node a document may be proved, where `keys` are what we, or a roster, know of it.

    A roster says a key and not its id: that is the one that the proof names. Empty when it is none of the node's.
    Raises BadProof for no proof.
    """
    proof = proofs.proof_of(document)
    if proof.controller != node:
        return ()
    key = key_for(proof, keys, work)
    if key is not None:
        return (key,)
    method = proof.verification_method
    return tuple(
        replace(each, key_id=method) for each in keys if each.expires is None and each.key_id != method
    )


# -- saying it


def announcement(
    document: Document, former: SigningKey, key: SigningKey, moment: str, *, compare: bool = False
) -> Document:
    """The node's actor document, which names both keys, proved by the one that holds and by possession of the new.

    `moment` is a UTC time, RFC 3339. `compare`: the partner was away when the key changed; both compare the new one.
    """
    binding: Document = {
        "@context": list(CONTEXT),
        "type": TYPE,
        "actor": former.controller,
        "former": former.public.multibase,
        "key": key.public.multibase,
        "compare": compare,
        "published": moment,
    }
    return proofs.sign({**document, "rekeying": proofs.sign(binding, key, moment)}, former, moment)


def revoked_method(key: PublicKey, at: str, since: str) -> Document:
    """How a document names a key that ended at `at`, compromised since `since` (UTC, RFC 3339)."""
    return {**key.method, "revoked": at, "compromisedSince": since}


# -- taking it in


def take(document: Document, relation: Relation, work: Work) -> None:
    """The partner's node says which keys it has. Nothing changes when they are those that we know.

    Raises as `check`.
    """
    change = check(document, relation.node, relation.keys, work)
    work.actors.learn(document, relation.node)
    ended = [each.since for each in change.revoked if each.key in relation.keys]
    if change.compare and change.keys[0] not in relation.keys:
        ended.append(f"{work.now:%Y-%m-%dT%H:%M:%SZ}")
    if ended:
        work.handshakes.revoked(relation, change.keys, min(ended))
    elif _dated(change.keys) != _dated(relation.keys):
        work.handshakes.rekeyed(relation, change.keys)


def check(document: Document, node: str, known: Sequence[PublicKey], work: Work) -> Change:
    """What a node says of its keys, of which we know these: proved by one that holds.

    Raises:
        Malformed, OutOfScope, BadProof: the document proves nothing.
        ReplayedMessage: a key id was given to another key, or a revoked key comes back.
    """
    _check_shape(document, node)
    proof = proofs.proof_of(document)
    signer = next((each for each in known if each.key_id == proof.verification_method), None)
    if signer is None or not signer.holds_at(work.now):
        raise BadProof("The document is proved by no key of this node that holds.")
    proofs.verify(document, signer, f"{work.now:%Y-%m-%dT%H:%M:%SZ}", proof=proof)
    keys, revoked = keys_of(document), revoked_in(document)
    before = work.actors.document(node)
    named = [] if before is None else keys_of(before)
    _check_ids(keys, revoked, [*known, *named], [] if before is None else revoked_in(before))
    if signer not in keys and signer not in (each.key for each in revoked):
        raise BadProof("The document does not name the key that proves it.")
    proved = {each.raw for each in (*known, *named)}
    for key in keys:
        if key.raw not in proved:
            _check_possession(document, signer, key)
    live = tuple(each for each in keys if each.holds_at(work.now))
    if not live:
        raise OutOfScope("The document leaves the node without a key.")
    binding = document.get("rekeying")
    return Change(live, tuple(revoked), isinstance(binding, dict) and binding.get("compare") is True)


def _dated(keys: Sequence[PublicKey]) -> list[tuple[PublicKey, str | None]]:
    return [(each, each.expires) for each in keys]


def _check_shape(document: Document, node: str) -> None:
    if document.get("id") != node or "Application" not in documents.types(document):
        raise OutOfScope("A node speaks for its own keys alone.")
    wrong = objections_to_actor(document)
    if wrong:
        raise Malformed(f"The actor document is none: {wrong}")
    if not iris.same_origin(node, str(document.get("inbox"))):
        raise OutOfScope("The inbox of the node lies on another origin.")


def _check_ids(
    keys: Sequence[PublicKey],
    revoked: Sequence[Revoked],
    known: Sequence[PublicKey],
    ended: Sequence[Revoked],
) -> None:
    """No id for two keys, and no life after a revocation."""
    names = {each.key_id: each.raw for each in (*known, *(one.key for one in ended))}
    for key in (*keys, *(each.key for each in revoked)):
        if names.get(key.key_id, key.raw) != key.raw:
            raise ReplayedMessage("The id of a key was given to another key.")
    if {each.key.raw for each in ended} & {each.raw for each in keys}:
        raise ReplayedMessage("A key that was revoked does not come back.")


def _check_possession(document: Document, signer: PublicKey, key: PublicKey) -> None:
    """The new key has signed that it follows the one that proves the document. Raises BadProof."""
    binding = document.get("rekeying")
    if not isinstance(binding, dict) or binding.get("type") != TYPE:
        raise BadProof("Nothing shows that the node has the new key.")
    said = (binding.get("actor"), binding.get("former"), binding.get("key"))
    if said != (controller_of(signer.key_id), signer.multibase, key.multibase):
        raise BadProof("The new key follows another one, or of another node.")
    proofs.verify(binding, key)
