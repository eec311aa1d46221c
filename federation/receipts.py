"""Delivery receipts: one signed document for a range of a stream.

Source: PROTOCOL 2.b (level 2) and 2.i; AS4 non-repudiation of receipt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from federation import documents, proofs
from federation.activity import CONTEXT, Document, new_id
from federation.errors import DigestMismatch, Malformed
from federation.keys import PublicKey, SigningKey
from federation.ports import Entry, Head, Outcome, Relation
from federation.settings import Settings

QUIET = frozenset({"processed"})  # every other outcome is an exception of the receipt
OUTCOMES = frozenset({"processed", "duplicate", "rejected", "received"})


@dataclass(frozen=True, slots=True)
class Late:
    """What became of one entry that was first `received`."""

    seq: int
    activity: str
    entry_hash: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a partner's receipt says: up to which seq, and which entries were exceptions."""

    first: int
    last: int
    exceptions: Mapping[int, Outcome]
    document: Document


def of_range(
    settings: Settings,
    relation: Relation,
    key: SigningKey,
    first: int,
    head: Head,
    outcomes: Sequence[tuple[Entry, Outcome]],
    body_digest: str,
    now: datetime,
) -> Document:
    """The receipt for entries `first` to `head.seq`, proved by our node."""
    moment = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    receipt: Document = {
        "@context": list(CONTEXT),
        "id": f"{settings.origin}/receipts/{new_id()}",
        "type": "DeliveryReceipt",
        "attributedTo": settings.node,
        "object": relation.stream_in,
        "stream": relation.stream_in,
        "from": first,
        "to": head.seq,
        "entryHash": head.entry_hash,
        "contentDigest": body_digest,
        "agreement": agreement_of(relation),
        "outcome": "processed",
        "exceptions": [
            _exception(entry, outcome) for entry, outcome in outcomes if outcome.outcome not in QUIET
        ],
        "received": moment,
        "published": moment,
    }
    return proofs.sign(receipt, key, moment)


def read(body: bytes, relation: Relation, key: PublicKey, body_digest: str) -> Acknowledged:
    """The receipt that a partner gave for our batch.

    Raises:
        Malformed, BadProof, DigestMismatch: it is none, or not for what we sent.
    """
    document = documents.loads(body)
    if document.get("type") != "DeliveryReceipt" or document.get("attributedTo") != relation.node:
        raise Malformed("The answer is no receipt of this partner.")
    proofs.verify(document, key)
    if document.get("stream") != relation.stream_out or document.get("contentDigest") != body_digest:
        raise DigestMismatch("The receipt is for another stream or another body.")
    if document.get("agreement") != agreement_of(relation):
        raise DigestMismatch("The receipt is for another agreement.")
    first, last = _seq(document.get("from")), _seq(document.get("to"))
    if first > last:
        raise Malformed("The receipt names no range that was processed.")
    return Acknowledged(first, last, exceptions_of(document), document)


def exceptions_of(document: Document) -> dict[int, Outcome]:
    """What became of entries that were not just processed, by seq. Raises Malformed."""
    exceptions = document.get("exceptions", [])
    if document.get("outcome") != "processed" or not isinstance(exceptions, list):
        raise Malformed("The receipt names no range that was processed.")
    outcomes = dict(map(_read_exception, exceptions))
    if len(outcomes) < len(exceptions):
        raise Malformed("Two exceptions are about one entry.")
    return outcomes


def agreement_of(relation: Relation) -> str:
    """The id of the agreement under which something is receipted: in force, or offered and about to be."""
    offered = relation.proposal.agreement if relation.proposal is not None else {}
    agreement: Document = relation.agreement or offered
    return str(agreement.get("id"))


def of_entry(
    settings: Settings, relation: Relation, entry: Entry, outcome: Outcome, now: datetime
) -> Document:
    """The late receipt for an entry that was first `received`: the object of a `Create` by our node."""
    moment = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    receipt: Document = {
        "id": f"{settings.origin}/receipts/{new_id()}",
        "type": "DeliveryReceipt",
        "attributedTo": settings.node,
        "object": entry.activity,
        "contentDigest": entry.content_digest,
        "outcome": outcome.outcome,
        "agreement": agreement_of(relation),
        "stream": relation.stream_in,
        "seq": entry.seq,
        "entryHash": entry.entry_hash,
        "received": moment,
        "published": moment,
    }
    if outcome.problem is not None:
        receipt["problem"] = dict(outcome.problem)
    return receipt


def read_late(receipt: Document, relation: Relation) -> Late:
    """A late receipt of a partner, whose `Create` was proved by its node.

    Raises Malformed when it is none, or not for our stream.
    """
    ours = {"attributedTo": relation.node, "stream": relation.stream_out}
    if any(receipt.get(name) != value for name, value in ours.items()):
        raise Malformed("The receipt is by another node, or for another stream.")
    about, entry_hash = receipt.get("object"), receipt.get("entryHash")
    if not isinstance(about, str) or not isinstance(entry_hash, str):
        raise Malformed("The receipt names no entry.")
    seq, outcome = _read_exception(receipt)
    if outcome.outcome == "received":
        raise Malformed("The receipt does not say what became of the entry.")
    return Late(seq, about, entry_hash, outcome)


def _exception(entry: Entry, outcome: Outcome) -> dict[str, object]:
    exception: dict[str, object] = {"seq": entry.seq, "outcome": outcome.outcome}
    if outcome.problem is not None:
        exception["problem"] = {**outcome.problem, "instance": entry.activity}
    return exception


def _read_exception(exception: Any) -> tuple[int, Outcome]:
    if not isinstance(exception, dict):
        raise Malformed("An exception of the receipt is an object.")
    outcome, problem = exception.get("outcome"), exception.get("problem")
    if not isinstance(outcome, str) or outcome not in OUTCOMES:
        raise Malformed("A receipt has no known outcome.")
    if not (problem is None or isinstance(problem, dict)):
        raise Malformed("A problem of a receipt is an object.")
    return _seq(exception.get("seq")), Outcome(outcome, problem)


def _seq(value: object) -> int:
    if type(value) is not int or value < 0:  # `true` is an integer to Python
        raise Malformed("A receipt names its entries by number.")
    return value
