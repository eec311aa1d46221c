"""Recall: what a Delete may ask beyond itself, who may ask it, and the receipt that says what became of it.

Rule: a Delete without `recall` erases. Who only manages the space may hide, and no more. A receipt names ids, digests,
stores and times, never content. Source: PROTOCOL 2.f; DECISIONS 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeGuard

from federation import documents, merkle, proofs
from federation.activity import CONTEXT, Activity, Document, is_moment, new_id
from federation.digest import digest, multibase_of, sha256_of
from federation.errors import NAMESPACE, BadProof, Malformed, OutOfScope
from federation.keys import PublicKey, SigningKey
from federation.ports import Erasure, Mode, Recall, Space, Stored, Work
from federation.settings import Settings

REASONS = (
    "wrong-recipient",
    "mistake",
    "personal-data",
    "confidential",
    "moderated",
    "expired",
    "agreement-ended",
)
#: What a recall may name beyond the object; unknown names are passed on and bind nobody.
INCLUDES = ("attachments", "derived", "search-index", "exports", "versions")
TYPES = ("DeliveryReceipt", "ErasureReceipt")
ERASED, RETAINED = "erased", "retained"
#: Said by nodes of their own copies: nobody is asked to answer.
OUT_OF_TIME = frozenset({"expired", "agreement-ended"})
MAX_INCLUDES = 16
MAX_ITEMS = 256
MAX_CODE_CHARS = 200


def read(activity: Activity) -> Recall | None:
    """What a Delete asks, None for an ordinary one. Raises Malformed for a recall of another shape."""
    asked = activity.document.get("recall")
    if asked is None:
        return None
    if not isinstance(asked, dict):
        raise Malformed("`recall` is an object.")
    try:
        mode = Mode(asked.get("mode", Mode.ERASE))
    except ValueError as error:
        raise Malformed("`mode` of a recall is erase, hide or replace.") from error
    includes = documents.as_list(asked.get("includes"))
    if len(includes) > MAX_INCLUDES or not all(_is_code(each) for each in includes):
        raise Malformed("`includes` of a recall is a short list of words.")
    reason, deadline = asked.get("reason"), asked.get("deadline")
    if not _is_code(reason) or not reason.startswith(f"{NAMESPACE}#"):
        raise Malformed("`reason` of a recall is a code of the profile, no free text.")
    if not is_moment(deadline):
        raise Malformed("`deadline` of a recall is a UTC time, RFC 3339.")
    replacement = documents.id_of(activity.document.get("instrument")) if mode is Mode.REPLACE else None
    if mode is Mode.REPLACE and replacement is None:
        raise Malformed("A recall that replaces names the replacement as `instrument`.")
    return Recall(mode, reason.partition("#")[2], deadline, tuple(includes), replacement)


def document(recall: Recall) -> Document:
    """The members of a Delete that say this recall."""
    asked: Document = {
        "mode": recall.mode.value,
        "reason": f"{NAMESPACE}#{recall.reason}",
        "deadline": recall.deadline,
        "includes": list(recall.includes),
    }
    said: Document = {"recall": asked}
    if recall.replacement is not None:
        said["instrument"] = recall.replacement
    return said


def check_may(recall: Recall | None, actor: str, stored: Stored, space: Space, work: Work) -> None:
    """That no mere manager asks for more than hiding, and the space itself only says that time is over; the table of
    `authority` has let the Delete pass already.

    Raises OutOfScope.
    """
    if actor == space.iri:
        if recall is None or recall.reason not in OUT_OF_TIME:
            raise OutOfScope("A space deletes what people wrote when its time is over, and for nothing else.")
        return
    if recall is None or recall.mode is Mode.HIDE or actor == stored.attributed_to:
        return
    if actor == work.node or any(each.node == actor for each in work.spaces.nodes(space.iri)):
        return
    raise OutOfScope("Who manages a space may hide what others wrote, and no more.")


def receipt(
    settings: Settings, key: SigningKey, activity: Mapping[str, str], done: Erasure, now: datetime
) -> Document:
    """The receipt of our node for a Delete, given as its `id` and `contentDigest`; proved by itself."""
    moment = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    said: Document = {
        "@context": list(CONTEXT),
        "id": f"{settings.origin}/receipts/{new_id()}",
        "type": list(TYPES),
        "attributedTo": settings.node,
        "object": activity["id"],
        "contentDigest": activity["contentDigest"],
        "outcome": RETAINED if done.hold is not None else ERASED,
        "erased": [dict(each) for each in done.erased],
        "residual": [dict(each) for each in done.residual],
        "published": moment,
    }
    if done.hold is not None:
        said["hold"] = dict(done.hold)
    if done.items:
        said["items"] = [dict(each) for each in done.items]
    return proofs.sign(said, key, moment)


def of_run(
    settings: Settings,
    key: SigningKey,
    agreement: str,
    ids: Sequence[str],
    now: datetime,
    residual: Sequence[Mapping[str, object]] = (),
) -> Document:
    """The receipt of one run of retention towards one partner: how many, and the root over their ids."""
    moment = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    said: Document = {
        "@context": list(CONTEXT),
        "id": f"{settings.origin}/receipts/{new_id()}",
        "type": list(TYPES),
        "attributedTo": settings.node,
        "object": agreement,
        "outcome": ERASED,
        "count": len(ids),
        "root": root_of(ids),
        "residual": [dict(each) for each in residual],
        "published": moment,
    }
    return proofs.sign(said, key, moment)


def root_of(ids: Sequence[str]) -> str:
    """MTH over sorted D(id), in the form of D (PROTOCOL 2.f, *Retention expiry*)."""
    return multibase_of(merkle.root(sha256_of(each) for each in sorted(map(digest, ids))))


def is_erasure(document: Mapping[str, object]) -> bool:
    """Whether a receipt says what became of something that was to be erased."""
    return "ErasureReceipt" in documents.types(document)


def check_receipt(document: Document, node: str, keys: Sequence[PublicKey]) -> None:
    """That `node` gave this erasure receipt, by one of its keys.

    Raises:
        Malformed: it is none, or of another shape.
        BadProof: by somebody else.
    """
    if not is_erasure(document) or document.get("attributedTo") != node:
        raise Malformed("This is no erasure receipt of that node.")
    outcome, items = document.get("outcome"), documents.as_list(document.get("items"))
    if outcome not in {ERASED, RETAINED} or not isinstance(document.get("object"), str):
        raise Malformed("An erasure receipt says what was erased or retained.")
    hold = document.get("hold")
    if (outcome == RETAINED) != isinstance(hold, dict):
        raise Malformed("What is retained is retained on a ground, and only that.")
    if len(items) > MAX_ITEMS or not all(isinstance(each, dict) for each in items):
        raise Malformed("`items` of an erasure receipt are receipts.")
    published = document.get("published")
    if not is_moment(published):
        raise Malformed("A receipt says when it was given.")
    method = proofs.proof_of(document).verification_method
    key = next((each for each in keys if each.key_id == method), None)
    if key is None:
        raise BadProof("The receipt is by no key of that node.")
    proofs.verify(document, key)


def _is_code(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= MAX_CODE_CHARS
