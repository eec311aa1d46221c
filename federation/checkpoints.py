"""Checkpoints: what a log is at one size, signed by its writer, and signed again by its reader, or disputed.

Rule: the reader answers from its own copy, never from what it was told. A pair of checkpoint and `processed` receipt
is the statement of both sides; two checkpoints of one node, of one size and with other heads, prove a fork.
Source: PROTOCOL 2.b, *Checkpoint* and *Failure cases*; RFC 9162.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from federation import documents, iris, merkle, proofs, rekeying, signatures
from federation.activity import CONTEXT, Document, new_id
from federation.digest import multibase_of, object_digest, sha256_of
from federation.errors import DigestMismatch, DisputedHistory, Malformed, RemoteError, SequenceGap
from federation.http import Request, Response
from federation.ports import Conflict, Dispute, Relation, Work

TYPE = "LogCheckpoint"
ACCEPTED = 202


@dataclass(frozen=True, slots=True)
class Extent:
    """The first `size` entries of a log: hash of the last one, and the root over all hashes, both as D."""

    size: int
    head: str
    root: str


def extent(relation: Relation, stream: str, size: int, work: Work, *, keep: bool = False) -> Extent | None:
    """The first `size` (from 1) entries of a stream of either side as we have them; None when we have fewer.

    `keep` the roots of blocks that were not kept yet: nobody hashes the whole log again.
    """
    count, rest = divmod(size, merkle.BLOCK)
    roots = list(work.checkpoints.blocks(relation, stream, count))
    known = len(roots)
    for number in range(known, count):
        leaves = work.checkpoints.leaves(
            relation, stream, number * merkle.BLOCK + 1, (number + 1) * merkle.BLOCK
        )
        if len(leaves) < merkle.BLOCK:
            return None
        roots.append(merkle.root(leaves))
    if keep and len(roots) > known:
        work.checkpoints.keep_blocks(relation, stream, known, roots[known:])
    last = work.checkpoints.leaves(relation, stream, count * merkle.BLOCK + 1 if rest else size, size)
    if len(last) < (rest or 1):
        return None
    if rest:
        roots.append(merkle.root(last))
    return Extent(size, multibase_of(last[-1]), multibase_of(merkle.join(roots)))


def inclusion(relation: Relation, stream: str, seq: int, size: int, work: Work) -> list[str]:
    """The path (RFC 9162, 2.1.3.1; as D) from entry `seq` to the root of the first `size` entries, which we have."""
    number, index = divmod(seq - 1, merkle.BLOCK)
    first = number * merkle.BLOCK
    leaves = work.checkpoints.leaves(relation, stream, first + 1, min(first + merkle.BLOCK, size))
    count = size // merkle.BLOCK
    roots = list(work.checkpoints.blocks(relation, stream, count))
    for each in range(len(roots), -(-size // merkle.BLOCK)):
        begin = each * merkle.BLOCK
        roots.append(
            merkle.root(work.checkpoints.leaves(relation, stream, begin + 1, min(begin + merkle.BLOCK, size)))
        )
    path = [*merkle.inclusion_path(leaves, index), *merkle.path_above(roots, number)]
    return [multibase_of(each) for each in path]


def statement(relation: Relation, stream: str, size: int, work: Work) -> Document | None:
    """What we have of a stream at `size`, proved by our node: a checkpoint of our log, or of our copy of theirs."""
    found = extent(relation, stream, size, work) if size > 0 else None
    if found is None:
        return None
    moment = f"{work.now:%Y-%m-%dT%H:%M:%SZ}"
    checkpoint: Document = {
        "@context": list(CONTEXT),
        "id": f"{iris.origin(work.node)}/exchange/checkpoints/{new_id()}",
        "type": TYPE,
        "attributedTo": work.node,
        "stream": stream,
        "size": found.size,
        "head": found.head,
        "root": found.root,
        "published": moment,
    }
    return proofs.sign(checkpoint, work.actors.signer(work.node), moment)


def read(document: Document, relation: Relation, stream: str, work: Work) -> Extent:
    """What the partner's node says of this stream.

    Raises:
        Malformed, BadProof: it is no checkpoint of this partner and stream.
    """
    named = {"type": TYPE, "attributedTo": relation.node, "stream": stream}
    if any(document.get(name) != value for name, value in named.items()):
        raise Malformed("The checkpoint is by another node, or of another stream.")
    proofs.verify(document, rekeying.node_key_for(document, relation, work))
    size, head, root = (document.get(name) for name in ("size", "head", "root"))
    if type(size) is not int or size < 1 or not isinstance(head, str) or not isinstance(root, str):
        raise Malformed("A checkpoint has a size, a head and a root.")
    sha256_of(head), sha256_of(root)
    return Extent(size, head, root)


def take(document: Document, relation: Relation, work: Work) -> None:
    """Compare a checkpoint of the partner's log with our copy, and keep it with our answer.

    Raises:
        Malformed, BadProof: it is none.
        SequenceGap: we do not have that much yet; carries `expected`.
    """
    said = read(document, relation, relation.stream_in, work)
    ours = extent(relation, relation.stream_in, said.size, work, keep=True)
    if ours is None:
        expected = work.streams.head(relation).seq + 1
        raise SequenceGap(f"Entry {expected} is expected.", expected=expected)
    work.checkpoints.keep(relation, document, _answer(document, relation, said, ours, work))
    check_fork(document, relation, relation.stream_in, work)
    if ours != said:
        evidence = [document]
        dispute = Dispute(relation.stream_in, Conflict.CHECKPOINT, said.size, ours.head, said.head, evidence)
        work.streams.dispute(relation, dispute)


def check_fork(document: Document, relation: Relation, stream: str, work: Work) -> bool:
    """Whether the partner has signed another head for the same size before: both are kept as the proof of it."""
    for earlier in work.checkpoints.of_size(relation, stream, document["size"]):
        if earlier["attributedTo"] == relation.node and earlier["head"] != document["head"]:
            evidence = [earlier, document]
            work.streams.dispute(
                relation,
                Dispute(
                    stream,
                    Conflict.EQUIVOCATION,
                    document["size"],
                    earlier["head"],
                    document["head"],
                    evidence,
                ),
            )
            return True
    return False


def _answer(document: Document, relation: Relation, said: Extent, ours: Extent, work: Work) -> Document:
    """Our receipt for a checkpoint: `processed` means that our copy has the same head and root."""
    moment = f"{work.now:%Y-%m-%dT%H:%M:%SZ}"
    receipt: Document = {
        "@context": list(CONTEXT),
        "id": f"{iris.origin(work.node)}/receipts/{new_id()}",
        "type": "DeliveryReceipt",
        "attributedTo": work.node,
        "object": document["id"],
        "objectDigest": object_digest(document),
        "stream": relation.stream_in,
        "agreement": (relation.agreement or {}).get("id"),
        "outcome": "processed",
        "received": moment,
        "published": moment,
    }
    if ours != said:
        problem = DisputedHistory(
            "Another history is here.", size=said.size, myHead=ours.head, myRoot=ours.root
        )
        receipt |= {"outcome": "rejected", "problem": problem.document()}
    return proofs.sign(receipt, work.actors.signer(work.node), moment)


def settle(
    checkpoint: Document, relation: Relation, request: Request, response: Response, work: Work
) -> bool | None:
    """What the partner answered to a checkpoint of ours; kept. Whether it agrees; None for no answer that proves it.

    A rejection marks our stream as disputed.
    """
    if response.status != ACCEPTED or not response.body:
        return None
    try:
        receipt = _receipt(checkpoint, relation, request, response, work)
    except RemoteError:
        return None
    work.checkpoints.keep(relation, checkpoint, receipt, headers=(request.headers, response.headers))
    if receipt["outcome"] == "processed":
        return True
    problem: Any = receipt.get("problem")
    theirs = str(problem.get("myHead", "")) if isinstance(problem, dict) else ""
    evidence = [checkpoint, receipt]
    dispute = Dispute(
        relation.stream_out, Conflict.CHECKPOINT, checkpoint["size"], checkpoint["head"], theirs, evidence
    )
    work.streams.dispute(relation, dispute)
    return False


def _receipt(
    checkpoint: Document, relation: Relation, request: Request, response: Response, work: Work
) -> Document:
    """Raises Unauthentic, Malformed, BadProof or DigestMismatch when the answer is no receipt for this checkpoint."""
    receipt = documents.loads(response.body)
    key = rekeying.node_key(relation, signatures.key_id_of(response), work.now)
    signatures.verify_response(response, request, key, int(work.now.timestamp()))
    proofs.verify(receipt, key)
    named = {
        "type": "DeliveryReceipt",
        "attributedTo": relation.node,
        "object": checkpoint["id"],
        "objectDigest": object_digest(checkpoint),
        "stream": checkpoint["stream"],
    }
    if any(receipt.get(name) != value for name, value in named.items()):
        raise DigestMismatch("The receipt is for something else.")
    if receipt.get("outcome") not in {"processed", "rejected"}:
        raise Malformed("A checkpoint is processed or rejected.")
    return receipt


def first_difference(size: int, same: Callable[[int], bool]) -> int:
    """The first entry by which two logs of `size` entries differ, when they differ at `size`.

    `same(n)` says whether both have the same hash at entry n; each hash covers all before it, so a search finds it.
    """
    equal, differs = 0, size
    while differs - equal > 1:
        middle = (equal + differs) // 2
        if same(middle):
            equal = middle
        else:
            differs = middle
    return differs
