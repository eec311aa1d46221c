"""Receipts that a host relays: a member's own word to the host, with what another member needs to believe it.

Rule: one line a receipt: the receipt as its node proved it, and the entries of the host's stream that it covers last,
chained up to the hash that it names. So each member proves itself, to whoever knows the bytes of the Announces, that it
has them; the host can withhold, and nothing else. Source: PROTOCOL 2.j (*Delivery state for the author*); 2.b, 2.i.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from federation import documents, exchange, iris, limits, proofs
from federation.activity import Document
from federation.errors import BadProof, DigestMismatch, Malformed
from federation.keys import PublicKey
from federation.ports import Entry, Outcome
from federation.receipts import exceptions_of

MEDIA_TYPE = exchange.MEDIA_TYPE


@dataclass(frozen=True, slots=True)
class Relayed:
    """A receipt with the last `entries` of its range; `prev` is the hash before the first of them."""

    prev: str
    entries: Sequence[Entry]
    receipt: Document


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a receipt proves of its node: outcome by activity, and the content digest that the entry names."""

    node: str
    at: str
    outcomes: Mapping[str, tuple[str, Outcome]]


def write(relayed: Iterable[Relayed]) -> bytes:
    """The answer of the host: one line for each."""
    return b"".join(
        documents.dumps(
            {
                "entries": [exchange.row_of(each) for each in one.entries],
                "prev": one.prev,
                "receipt": one.receipt,
            }
        )
        + b"\n"
        for one in relayed
    )


def lines(body: bytes) -> Iterator[bytes]:
    """Its lines. Raises Malformed when the last is cut off."""
    if body and not body.endswith(b"\n"):
        raise Malformed("Each line, the last too, ends with one LF.")
    yield from body[:-1].split(b"\n") if body else ()


def read(line: bytes, host: str, keys: Mapping[str, Sequence[PublicKey]]) -> Confirmed:
    """What one line proves. `host` is the node actor of the host; `keys` those of the other members, by node actor.

    Raises:
        Malformed: another shape.
        BadProof: by no key of a member.
        DigestMismatch: the entries do not lead to what the member receipted.
    """
    said = documents.loads(line)
    receipt, rows, prev = said.get("receipt"), said.get("entries"), said.get("prev")
    if not isinstance(receipt, dict) or not isinstance(rows, list) or not isinstance(prev, str):
        raise Malformed("A relayed receipt is receipt, entries and prev.")
    if not 0 < len(rows) <= limits.MAX_BATCH_LINES:
        raise Malformed("A relayed receipt covers an entry.")
    node = _verified(receipt, keys)
    first, last, stream = receipt.get("from"), receipt.get("to"), receipt.get("stream")
    if type(first) is not int or type(last) is not int or not isinstance(stream, str):
        raise Malformed("The receipt names no range of a stream.")
    if not iris.same_origin(stream, host) or last - len(rows) + 1 < first:
        raise DigestMismatch("The receipt is for another stream, or for fewer entries.")
    entries = exchange.chained(stream, last - len(rows) + 1, prev, rows)
    if receipt.get("entryHash") != entries[-1].entry_hash:
        raise DigestMismatch("The entries do not lead to what the member receipted.")
    exceptions = exceptions_of(receipt)
    outcomes = {
        each.activity: (each.content_digest, exceptions.get(each.seq, Outcome("processed")))
        for each in entries
    }
    return Confirmed(node, str(receipt.get("published")), outcomes)


def _verified(receipt: dict[str, Any], keys: Mapping[str, Sequence[PublicKey]]) -> str:
    """The member that proved it."""
    node = receipt.get("attributedTo")
    if receipt.get("type") != "DeliveryReceipt" or not isinstance(node, str):
        raise Malformed("This is no receipt.")
    proof = proofs.proof_of(receipt)
    named = (
        replace(key, key_id=proof.verification_method) for key in keys.get(node, ())
    )  # the roster says no ids
    if proof.controller != node or not any(proofs.holds(receipt, key, proof) for key in named):
        raise BadProof("The receipt is proved by no key that the roster names.")
    return node
