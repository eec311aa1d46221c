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
from federation.errors import BadProof, DigestMismatch, Malformed
from federation.keys import PublicKey, SigningKey
from federation.ports import Entry, Head, Outcome, Relation
from federation.settings import Settings

QUIET = frozenset({"processed"})  # every other outcome is an exception of the receipt
OUTCOMES = frozenset({"processed", "duplicate", "rejected", "received"})


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
    agreement = relation.agreement or {}
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
        "agreement": agreement.get("id"),
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
    if proofs.proof_of(document).verification_method != key.key_id:
        raise BadProof("The receipt is proved by another key than the node's.")
    proofs.verify(document, key)
    if document.get("stream") != relation.stream_out or document.get("contentDigest") != body_digest:
        raise DigestMismatch("The receipt is for another stream or another body.")
    first, last = document.get("from"), document.get("to")
    exceptions = document.get("exceptions", [])
    if not isinstance(first, int) or not isinstance(last, int) or not isinstance(exceptions, list):
        raise Malformed("The receipt names no range.")
    return Acknowledged(
        first, last, dict(map(_read_exception, exceptions)), document
    )


def _exception(entry: Entry, outcome: Outcome) -> dict[str, object]:
    exception: dict[str, object] = {"seq": entry.seq, "outcome": outcome.outcome}
    if outcome.problem is not None:
        exception["problem"] = {**outcome.problem, "instance": entry.activity}
    return exception


def _read_exception(exception: Any) -> tuple[int, Outcome]:
    if not isinstance(exception, dict) or exception.get("outcome") not in OUTCOMES:
        raise Malformed("An exception of the receipt has no known outcome.")
    seq, problem = exception.get("seq"), exception.get("problem")
    if not isinstance(seq, int) or not (problem is None or isinstance(problem, dict)):
        raise Malformed("An exception of the receipt names no entry.")
    return seq, Outcome(exception["outcome"], problem)
