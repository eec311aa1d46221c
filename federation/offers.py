"""Offers of agreements: the first one, and the next version while the present one holds.

Rule: one proposal is open at a time; what is in force stays so until both have agreed to the same digest. Version
n+1 names the digest of n and keeps the lineage; the streams go on, or both begin anew with its digest as genesis, as
after two histories. Of two offers made at once the lower digest wins; an offer `inReplyTo` the open one takes its
place. Source: PROTOCOL 2.a.5, 2.a.6; PRODUCT B1.
"""

from __future__ import annotations

from collections.abc import Sequence

from federation import activity as activities
from federation import charter, cutting, documents, exchange, iris, rekeying
from federation.activity import Activity, Document
from federation.authorship import write
from federation.digest import digest
from federation.errors import DigestMismatch, Forbidden, Malformed, OutOfScope
from federation.ports import Proposal, Relation, State, Work
from federation.settings import Settings
from schemas.as2 import agreement as agreements

#: In one of these an agreement can be proposed: both admins have compared the fingerprint, and nothing has ended.
_MAY_AGREE = frozenset({State.VERIFIED, State.OFFERED, State.IN_FORCE, State.SUSPENDED, State.EXPIRED})


def offer(relation: Relation, agreement: Document, ends: str, work: Work, settings: Settings) -> Activity:
    """Our Offer of an agreement, good until `ends` (UTC, RFC 3339); an answer to theirs while that is open.

    Raises:
        Forbidden: not both have confirmed, one of ours is open (it is withdrawn first), or notice was given.
        OutOfScope: it does not follow the version in force.
    """
    present = _open(relation, work)
    _check_ready(relation)
    if present is not None and present.by_us:
        raise Forbidden("An offer of ours is open.")
    _check_follows(agreement, relation)
    offered = digest(agreement)
    document: Document = {
        "type": "Offer",
        "to": [relation.node],
        "endTime": ends,
        "object": agreement,
        "objectDigest": offered,
    }
    if present is not None:
        document["inReplyTo"] = present.offer
    written = write(document, settings.node, work, settings)
    work.agreements.offered(relation, written, agreement, offered)
    return written


def take_offer(activity: Activity, relation: Relation, work: Work) -> None:
    """Keep the partner's Offer for our admin.

    Raises:
        Forbidden: the fingerprint is not confirmed by both, we have accepted another, or notice was given.
        DigestMismatch: the document is not the one that was proved.
        OutOfScope: it binds others, or other keys or streams, than the two of us; it does not follow the version
            in force; or ours was offered at once and wins.
    """
    _check_ready(relation)
    agreement = activity.object or {}
    check_offer(activity, agreement)
    moment = _moment(work)
    if activity.document["endTime"] <= moment or agreement["endTime"] <= moment:
        raise OutOfScope("The offer, or what it offers, has expired.")
    _check_parties(agreement, relation, work)
    _check_follows(agreement, relation)
    offered, present = digest(agreement), _open(relation, work)
    crossed = present is not None and present.by_us and activity.document.get("inReplyTo") != present.offer
    if crossed and present is not None and offered > present.digest:
        raise OutOfScope("Superseded: of two offers made at once the lower digest wins.")
    work.agreements.offered(relation, activity, agreement, offered)


def check_offer(activity: Activity, agreement: Document) -> None:
    """That an Offer carries the agreement whose digest it names.

    Raises DigestMismatch or Malformed when it does not.
    """
    if activity.document.get("objectDigest") != digest(agreement):
        raise DigestMismatch("`objectDigest` is not the digest of the agreement.")
    if "PeeringAgreement" not in documents.types(agreement) or not isinstance(
        activity.document.get("endTime"), str
    ):
        raise Malformed("An Offer has an agreement as object, and an endTime.")
    wrong = agreements.objections(agreement)
    if wrong:
        raise Malformed(f"The agreement is none: {wrong}")


def withdrawal(relation: Relation, work: Work, settings: Settings) -> Activity:
    """What takes our open Offer back; it is open until the partner has taken this in.

    Raises OutOfScope when none of ours is open.
    """
    proposal = relation.proposal
    if proposal is None or not proposal.by_us:
        raise OutOfScope("No open offer of ours.")
    document: Document = {
        "type": "Undo",
        "to": [relation.node],
        "object": {"id": proposal.offer, "type": "Offer", "actor": settings.node},
        "objectDigest": proposal.digest,
    }
    return write(document, settings.node, work, settings)


def take_withdrawal(activity: Activity, relation: Relation, work: Work) -> None:
    """The partner takes its Offer back, unless we have accepted it.

    Raises OutOfScope when there is no such open offer.
    """
    proposal = relation.proposal
    if proposal is None or proposal.by_us or proposal.accepted or activity.object_id != proposal.offer:
        raise OutOfScope("No such open offer.")
    work.agreements.declined(relation, proposal.offer)


def rejection(relation: Relation, work: Work, settings: Settings) -> Activity:
    """Our no to the partner's Offer.

    Raises OutOfScope when none of theirs is open.
    """
    proposal = _theirs(relation)
    document: Document = {
        "type": "Reject",
        "to": [relation.node],
        "object": {"id": proposal.offer, "type": "Offer", "actor": relation.node},
    }
    return write(document, settings.node, work, settings)


def take_rejection(activity: Activity, relation: Relation, work: Work) -> None:
    """The partner says no to our open Offer. Raises OutOfScope when there is no such one."""
    proposal = relation.proposal
    if proposal is None or not proposal.by_us or activity.object_id != proposal.offer:
        raise OutOfScope("No such open offer.")
    work.agreements.declined(relation, proposal.offer)


def acceptance(relation: Relation, work: Work, settings: Settings, approvers: Sequence[str] = ()) -> Activity:
    """Our Accept of the partner's Offer. `approvers` are the roles of those who decided here: evidence, unchecked.

    The first one becomes entry 1 of our stream. Raises OutOfScope when no Offer of theirs is open.
    """
    proposal = _theirs(relation)
    document: Document = {
        "type": "Accept",
        "to": [relation.node],
        "object": {"id": proposal.offer, "type": "Offer", "actor": relation.node},
        "result": proposal.agreement["id"],
        "objectDigest": proposal.digest,
    }
    if approvers:
        document["approvers"] = list(approvers)
    return write(document, settings.node, work, settings)


def accept(activity: Activity, relation: Relation, work: Work) -> None:
    """The partner's Accept of our Offer: in force from now.

    Raises:
        OutOfScope: no such open offer of ours, or too late.
        DigestMismatch: the partner accepts another document.
    """
    proposal = relation.proposal
    if proposal is None or not proposal.by_us or activity.object_id != proposal.offer:
        raise OutOfScope("No such offer.")
    if _open(relation, work) is None:
        raise OutOfScope("The offer is no longer open.")
    if activity.document.get("objectDigest") != proposal.digest:
        raise DigestMismatch("The partner accepts another agreement than the one offered.")
    if activity.document.get("result") != proposal.agreement["id"]:
        raise DigestMismatch("`result` is not the agreement offered.")
    conclude(relation, activity, work)


def conclude(relation: Relation, accept: Activity, work: Work) -> Relation:
    """Both have agreed: what is on offer holds from now, and what waits outside of it does not leave any more."""
    waiting = _waiting(relation, work) if _begins_anew(relation) else []
    held = work.agreements.in_force(relation, accept)
    for activity in waiting:
        exchange.append(held, activity, work)
    if relation.agreement is not None:
        cutting.cut(held, work)
    return held


def _begins_anew(relation: Relation) -> bool:
    """Whether the agreement on offer names new streams, after others."""
    proposal = relation.proposal
    if relation.agreement is None or proposal is None:
        return False
    return bool(charter.party(proposal.agreement, relation.node)["stream"] != relation.stream_in)


def _waiting(relation: Relation, work: Work) -> list[Activity]:
    """What the partner has not receipted of the stream that ends: it goes on in the one that begins."""
    found: list[Activity] = []
    first = work.log.acknowledged(relation) + 1
    while read := work.log.read(relation, first, cutting.LINES, cutting.BYTES):
        found += [activities.read(line) for entry, line in read if line and entry.type != "Accept"]
        first = read[-1][0].seq + 1
    return found


def _check_ready(relation: Relation) -> None:
    if relation.state not in _MAY_AGREE:
        raise Forbidden("Both admins compare the fingerprint first.")
    if relation.ends:
        raise Forbidden("Notice was given: the agreement ends, and no other follows it.")
    if relation.proposal is not None and relation.proposal.accepted:
        raise Forbidden("An offer was accepted, and is about to come into force.")


def _check_parties(agreement: Document, relation: Relation, work: Work) -> None:
    own = [work.actors.signer(work.node).public]
    document = work.actors.document(work.node)
    if document is not None:  # while our key changes, the partner knows two
        own += rekeying.keys_of(document)
    for node, keys in ((relation.node, relation.keys), (work.node, own)):
        side = charter.party(agreement, node)
        named, known = set(side["keys"]), {key.multibase for key in keys}
        if not named or not named <= known or not iris.same_origin(side["stream"], node):
            raise OutOfScope("The agreement names other keys or streams than those of the two of us.")


def _check_follows(agreement: Document, relation: Relation) -> None:
    """The first agreement has version 1; each next one is one higher, and names what it follows."""
    present = relation.agreement
    if present is None:
        if agreement["version"] != 1 or agreement["previousVersion"] is not None:
            raise OutOfScope("The first agreement of a relation has version 1.")
        return
    if agreement["version"] != present["version"] + 1:
        raise OutOfScope(f"The version that follows is {present['version'] + 1}.")
    if agreement["previousVersion"] != relation.agreement_digest:
        raise OutOfScope("`previousVersion` is not the digest of the version in force.")
    if agreement["lineage"] != present["lineage"]:
        raise OutOfScope("The next version has the same lineage.")
    goes_on = {
        charter.party(agreement, side["node"])["stream"] == side["stream"] for side in present["parties"]
    }
    if len(goes_on) > 1:
        raise OutOfScope("Both streams go on from version to version, or both begin anew.")


def _theirs(relation: Relation) -> Proposal:
    proposal = relation.proposal
    if proposal is None or proposal.by_us:
        raise OutOfScope("No open offer of the partner.")
    return proposal


def _open(relation: Relation, work: Work) -> Proposal | None:
    proposal = relation.proposal
    return proposal if proposal is not None and proposal.ends > _moment(work) else None


def _moment(work: Work) -> str:
    return f"{work.now:%Y-%m-%dT%H:%M:%SZ}"
