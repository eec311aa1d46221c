"""Received -> Authentic -> Trusted: the checks that nothing may pass by.

Rule: only this module makes `Trusted`. No check is skipped because something is absent, and nothing
is fetched while something is received. Source: PROTOCOL 2.k, steps 1 to 6; SECURITY TH-01 to TH-13.
"""

from __future__ import annotations

from federation import activity as activities
from federation import authority, charter, documents, iris, limits, proofs, resolver, roster, signatures
from federation.activity import Activity, Document
from federation.authority import Claim, Thing
from federation.errors import (
    BadProof,
    Malformed,
    NoAgreement,
    NotFound,
    OutOfScope,
    ReplayedMessage,
    TooLarge,
    Unauthentic,
    UnknownActor,
)
from federation.http import Request
from federation.keys import PublicKey
from federation.ports import Relation, Space, Work
from federation.signatures import PeerSignature
from federation.trust import Authentic, Received, Trusted


def sender(request: Request, work: Work, *, max_bytes: int) -> PeerSignature:
    """The signature of a partner's node on this request: size, relation, signature, in this order.

    Only reads, so that a stranger's request costs no unit of work for writing (2.k steps 1 and 2).

    Raises:
        TooLarge, Unauthentic, ClockSkew: the request is not to be believed.
        NoAgreement: a node without any relation; nothing was verified for it.
    """
    if len(request.body) > max_bytes:
        raise TooLarge(f"At most {max_bytes} bytes.")
    signature = signatures.peer_signature(request)
    key = node_key(_relation_of(signature, work), signature.key_id)
    signatures.verify_request(request, signature, key, int(work.now.timestamp()))
    return signature


def enter(signature: PeerSignature, work: Work) -> Relation:
    """Whose node it was, as the relation stands now; the nonce is used up.

    Raises:
        ReplayedMessage: the nonce was used before.
        Unauthentic, NoAgreement: relation or key ended meanwhile.
    """
    relation = _relation_of(signature, work)
    node_key(relation, signature.key_id)
    if not work.nonces.first_use(signature.key_id, signature.nonce, work.now):
        raise ReplayedMessage("The nonce was used before.")
    return relation


def transport(request: Request, work: Work, *, max_bytes: int) -> Relation:
    """Both at once: `sender`, then `enter`."""
    return enter(sender(request, work, max_bytes=max_bytes), work)


def reader(request: Request, work: Work) -> Relation:
    """Whose node asks, for a signed GET: anything wrong is the same NotFound (2.0, *Errors*)."""
    try:
        return _relation_of(sender(request, work, max_bytes=0), work)
    except (Unauthentic, NoAgreement, TooLarge) as error:
        raise NotFound("Not found.") from error


def _relation_of(signature: PeerSignature, work: Work) -> Relation:
    relation = work.peers.of_origin(iris.origin(signature.key_id))
    if relation is None:
        raise NoAgreement("No agreement with the node of this key.")
    return relation


def node_key(relation: Relation, key_id: str) -> PublicKey:
    """The key of the partner's node by this id.

    Raises Unauthentic when the charter names no such key.
    """
    for key in relation.keys:
        if key.key_id == key_id:
            return key
    raise Unauthentic("The key is not the one that the agreement names.")


def authenticate(received: Received, work: Work) -> Authentic:
    """The proof of the activity, by a key of its own actor (2.k step 5, first half).

    Raises:
        BadProof: missing, wrong, or by another than the actor.
        UnknownActor: the actor was never introduced.
    """
    _prove(received.activity, received.relation, work)
    return Authentic(received.activity, received.relation)


def admit(authentic: Authentic, work: Work) -> Trusted:
    """Let in what this actor may say, here (2.k step 5, second half, and step 6).

    Raises:
        OutOfScope, NotMember, Malformed: it may not; nothing has changed.
    """
    activity, relation = authentic.activity, authentic.relation
    if not iris.same_origin(activity.actor, relation.node):
        raise OutOfScope("The actor lies on another origin than the node that sent this.")
    _check_ids(activity)
    space = _space_of(activity, work)
    claim = Claim(activity, relation.node, space, announced=False)
    thing = authority.decide(claim, work)
    if space is not None:
        if activity.type == "Announce" or thing is Thing.ROSTER:
            _check_host(space, relation)
        elif (activity.type, thing) not in authority.CONTROL and activity.type != "Invite":
            _check_hosted(space)
        _check_inside(activity, space)
        if (activity.type, thing) not in authority.CONTROL:
            charter.covers(relation, activity, space)
    return Trusted(activity, relation, space)


def announced(trusted: Trusted, work: Work) -> Trusted:
    """What an Announce wraps: proved by its own author, whose node the roster names (2.j).

    Raises:
        BadProof, UnknownActor, OutOfScope, Malformed: its host may not bring us this.
    """
    space, relation = trusted.space, trusted.relation
    if space is None or relation is None or trusted.activity.object is None:
        raise Malformed("An Announce embeds what it announces.")
    start, end = documents.span_of(trusted.activity.raw, "object")
    inner = activities.of(trusted.activity.object, trusted.activity.raw[start:end])
    _prove(inner, relation, work)
    _check_ids(inner)
    by_space = inner.actor == space.iri
    node = relation.node if by_space else _node_of(inner.actor, space, work)
    thing = authority.decide(Claim(inner, node, space, announced=True), work)
    if inner.audience != space.iri:
        raise OutOfScope("What is announced was said to another space.")
    _check_inside(inner, space)
    if (inner.type, thing) not in authority.CONTROL:
        charter.covers(relation, inner, space)
    own = iris.same_origin(inner.actor, work.node)
    return Trusted(inner, None if own else relation, space, trusted.activity.rev)


def own(activity: Activity, work: Work) -> Trusted:
    """What one of our own people, spaces or our node says, held to the same table before it leaves.

    Raises:
        OutOfScope, NotMember: it may not be said.
    """
    if not iris.same_origin(activity.actor, work.node):
        raise OutOfScope("The actor is not ours.")
    _check_ids(activity)
    space = _space_of(activity, work)
    authority.decide(Claim(activity, work.node, space, announced=False), work)
    if space is not None:
        _check_inside(activity, space)
    return Trusted(activity, None, space)


def introduced_by(trusted: Trusted, work: Work) -> tuple[Document, str]:
    """The actor document that an introduction brings, checked, and the node that vouches for it.

    Raises:
        BadProof, OutOfScope, Malformed: it proves nothing.
    """
    document, relation = trusted.activity.object, trusted.relation
    if document is None or relation is None:
        raise Malformed("An introduction embeds the actor document.")
    if trusted.activity.type == "Update":
        resolver.check(document, relation.keys[0])
        return document, relation.node
    if trusted.space is None:
        raise OutOfScope("Only a space introduces people of other nodes.")
    nodes = work.spaces.nodes(trusted.space.iri)
    key = roster.node_key(nodes, str(document.get("id")))
    if key is None:
        raise OutOfScope("The roster names no node on this origin.")
    resolver.check(document, key)
    return document, key.controller


def _prove(activity: Activity, relation: Relation, work: Work) -> None:
    proof = proofs.proof_of(activity.document)
    if proof.verification_method.partition("#")[0] != activity.actor:
        raise BadProof("The proof is by another than the actor.")
    if activity.actor == relation.node:
        key: PublicKey | None = node_key(relation, proof.verification_method)
    else:
        key = work.actors.key(proof.verification_method)
    if key is None:
        raise UnknownActor(f"{activity.actor} was not introduced.")
    proofs.verify(activity.document, key)


def _check_ids(activity: Activity) -> None:
    """FEP-fe34: id and actor on one origin; a new object on its owner's origin; sizes (SECURITY F4)."""
    if not iris.same_origin(activity.id, activity.actor):
        raise OutOfScope("The id of the activity lies outside the origin of its actor.")
    if activity.type == "Create" and (
        activity.object_id is None or not iris.same_origin(activity.object_id, activity.actor)
    ):
        raise OutOfScope("A new object lies on the origin of its author.")
    for document in (activity.document, activity.object or {}):
        if len(documents.addresses(document)) > limits.MAX_ADDRESSES:
            raise TooLarge(f"At most {limits.MAX_ADDRESSES} addresses.")
        if len(documents.as_list(document.get("attachment"))) > limits.MAX_ATTACHMENTS:
            raise TooLarge(f"At most {limits.MAX_ATTACHMENTS} attachments.")
        if len(documents.as_list(document.get("tag"))) > limits.MAX_TAGS:
            raise TooLarge(f"At most {limits.MAX_TAGS} tags.")


def _space_of(activity: Activity, work: Work) -> Space | None:
    """The space that the activity names as its audience, or None when it names none.

    Raises OutOfScope for a space that we do not know: the same words for absent and forbidden.
    """
    if activity.audience is None:
        return None
    space = work.spaces.get(activity.audience)
    if space is None:
        raise OutOfScope("The agreement does not cover this space.")
    return space


def _check_host(space: Space, relation: Relation) -> None:
    if space.host != relation.node:
        raise OutOfScope("Only the host of a space speaks for it.")


def _check_hosted(space: Space) -> None:
    if not space.hosted:
        raise OutOfScope("What is said in a space goes to its host.")


def _check_inside(activity: Activity, space: Space) -> None:
    """The embedded object names the same space as the activity (SECURITY B12), if it names any."""
    embedded = activity.object or {}
    if activity.type in {"Create", "Update"} and "audience" in embedded and embedded["audience"] != space.iri:
        raise OutOfScope("Activity and object name different spaces.")
    if activity.type in {"Join", "Leave", "Follow"} and activity.object_id != space.iri:
        raise OutOfScope("Audience and object name different spaces.")


def _node_of(actor: str, space: Space, work: Work) -> str:
    for each in work.spaces.nodes(space.iri):
        if iris.same_origin(each.node, actor):
            return each.node
    raise OutOfScope("The roster names no node on the origin of this actor.")
