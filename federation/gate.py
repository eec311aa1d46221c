"""Received -> Authentic -> Trusted: the checks that nothing may pass by.

Rule: only this module makes `Trusted`. No check is skipped because something is absent, and nothing
is fetched while something is received. Source: PROTOCOL 2.k, steps 1 to 6; SECURITY TH-01 to TH-13.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from federation import activity as activities
from federation import (
    authority,
    charter,
    documents,
    fence,
    iris,
    limits,
    proofs,
    rekeying,
    resolver,
    roster,
    signatures,
)
from federation.activity import Activity, Document
from federation.authority import Claim, Thing
from federation.errors import (
    AgreementSuspended,
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
from federation.ports import FormerNode, MemberNode, Relation, Space, State, Work
from federation.proofs import Proof
from federation.signatures import PeerSignature
from federation.trust import Authentic, Received, Trusted


def sender(request: Request, work: Work, *, max_bytes: int, former: bool = False) -> PeerSignature:
    """The signature of a partner's node on this request: size, relation, signature, in this order.

    Only reads, so that a stranger's request costs no unit of work for writing (2.k steps 1 and 2). `former`: also of
    one with which an agreement has ended.

    Raises:
        TooLarge, Unauthentic, ClockSkew: the request is not to be believed.
        NoAgreement: a node without any relation; nothing was verified for it.
    """
    if len(request.body) > max_bytes:
        raise TooLarge(f"At most {max_bytes} bytes.")
    signature = signatures.peer_signature(request)
    key = rekeying.node_key(_relation_of(signature, work, former=former), signature.key_id, work.now)
    signatures.verify_request(request, signature, key, int(work.now.timestamp()))
    return signature


def enter(signature: PeerSignature, work: Work, *, former: bool = False) -> Relation:
    """Whose node it was, as the relation stands now; the nonce is used up. `former` as for `sender`.

    Raises:
        ReplayedMessage: the nonce was used before.
        Unauthentic, NoAgreement: relation or key ended meanwhile.
    """
    relation = _relation_of(signature, work, former=former)
    rekeying.node_key(relation, signature.key_id, work.now)
    if not work.nonces.first_use(signature.key_id, signature.nonce, work.now):
        raise ReplayedMessage("The nonce was used before.")
    return relation


def transport(request: Request, work: Work, *, max_bytes: int) -> Relation:
    """Both at once: `sender`, then `enter`."""
    return enter(sender(request, work, max_bytes=max_bytes), work)


def reader(request: Request, work: Work, act: tuple[str, Thing] | None = None) -> Relation:
    """Whose node asks, for a signed GET: anything wrong is the same NotFound (2.0, *Errors*).

    `act` is what the reading is part of, where that passes while the agreement is suspended.
    """
    try:
        relation = _relation_of(sender(request, work, max_bytes=0), work)
        charter.check_in_force(relation, work.now, act)
    except (Unauthentic, NoAgreement, AgreementSuspended, TooLarge) as error:
        raise NotFound("Not found.") from error
    return relation


def _relation_of(signature: PeerSignature, work: Work, *, former: bool = False) -> Relation:
    try:
        origin = iris.origin(signature.key_id)
    except Malformed as error:
        raise Unauthentic("The key is named by no IRI.") from error
    relation = work.peers.of_origin(origin)
    if relation is None and former:
        relation = work.peers.ended(origin)
    if relation is None:
        raise NoAgreement("No agreement with the node of this key.")
    return relation


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
    if space is not None and not _is_told_of(relation, space, activity, work):
        raise OutOfScope(_NO_SPACE)
    act = (activity.type, authority.decide(Claim(activity, relation.node, space, announced=False), work))
    if act in authority.ORDERED:
        _check_ordered_here(space)
    if space is not None:
        _check_inside(activity, act, space)
    if act not in authority.CONTROL:  # what names no space is an Invite, by the space that it offers
        fence.covers(relation, activity, activity.audience or activity.actor, relation.node)
    return Trusted(activity, relation, space)


def announced(trusted: Trusted, work: Work, *, again: bool = False) -> Trusted:
    """What an Announce wraps: proved by its own author, whose node the roster names (2.j).

    `again`: what was taken before may come once more in the same bytes, to mend a copy (2.c).

    Raises:
        BadProof, UnknownActor, OutOfScope, Malformed: its host may not bring us this.
    """
    space, relation = trusted.space, trusted.relation
    if space is None or relation is None or trusted.activity.object is None:
        raise Malformed("An Announce embeds what it announces.")
    start, end = documents.span_of(trusted.activity.raw, "object")
    inner = activities.of(trusted.activity.object, trusted.activity.raw[start:end])
    if inner.audience != space.iri:
        raise OutOfScope("What is announced was said to another space.")
    own = iris.same_origin(inner.actor, work.node)
    node, member = relation.node, None
    if inner.actor != space.iri:  # what the space says itself may be the first roster
        member = _node_of(inner.actor, space, work, trusted.activity.rev)
        node = member.node
    _prove(inner, relation, work, None if node == relation.node else member)
    _check_ids(inner)
    act = (inner.type, authority.decide(Claim(inner, node, space, announced=True), work))
    if act not in authority.ORDERED:
        raise OutOfScope("A space announces what has a place in its order, and nothing else.")
    _check_inside(inner, act, space)
    if act not in authority.CONTROL:
        fence.covers(relation, inner, space.iri, node)
    taken = work.journal.digest_of(inner.id)
    if taken is not None and (not (own or again) or taken != inner.content_digest):
        raise ReplayedMessage("What is announced was announced before, or with another body.")
    # Our own comes back with its place, once. A Create asks for itself whether it has one: that costs no statement.
    if own and not again and inner.type != "Create" and work.journal.announced(inner.id):
        raise ReplayedMessage("What is announced has its place already.")
    return Trusted(inner, None if own else relation, space, trusted.activity.rev)


def own(activity: Activity, work: Work, *, announced: bool = False) -> Trusted:
    """What one of our own people, spaces or our node says, held to the same table before it leaves.

    `announced`: a space of ours has accepted it before.

    Raises:
        OutOfScope, NotMember: it may not be said.
    """
    if not iris.same_origin(activity.actor, work.node):
        raise OutOfScope("The actor is not ours.")
    _check_ids(activity)
    space = _space_of(activity, work)
    if space is not None and not space.active:
        raise OutOfScope("We are not on the roster of this space.")
    act = (activity.type, authority.decide(Claim(activity, work.node, space, announced=announced), work))
    if space is not None:
        _check_inside(activity, act, space)
    return Trusted(activity, None, space)


def restored(activity: Activity, relation: Relation, work: Work) -> Trusted:
    """What one of ours said before an older backup took it from us, as `relation` gives it back: proved by our own key.

    What our space announced comes back as what it wraps, with its place there (2.i, *Reading a log*).

    Raises:
        BadProof, UnknownActor, OutOfScope, Malformed: we have not said this.
    """
    if activity.type != "Announce" or activity.rev is None:
        _prove(activity, relation, work)
        return own(activity, work)
    space = announcing(activity, relation, work)
    start, end = documents.span_of(activity.raw, "object")
    inner = activities.of(activity.object or {}, activity.raw[start:end])
    if iris.same_origin(inner.actor, work.node):
        _prove(inner, relation, work)
        return replace(own(inner, work, announced=True), rev=activity.rev, again=True)
    author = work.peers.of_node(_node_of(inner.actor, space, work, activity.rev).node)
    return replace(announced(Trusted(activity, author or relation, space), work), again=True)


def announcing(activity: Activity, relation: Relation, work: Work) -> Space:
    """The space of ours that said this Announce, which `relation` gives back: proved by its key.

    Raises:
        BadProof, UnknownActor, OutOfScope: no space of ours has said it.
    """
    _prove(activity, relation, work)
    if not iris.same_origin(activity.actor, work.node):
        raise OutOfScope("The actor is not ours.")
    space = _space_of(activity, work)
    if space is None or not space.hosted or activity.actor != space.iri or activity.object is None:
        raise OutOfScope("Only a space of ours announces.")
    return space


def introduced_by(trusted: Trusted, work: Work) -> tuple[Document, str]:
    """The actor document that an introduction brings, checked, and the node that vouches for it.

    Raises:
        BadProof, OutOfScope, Malformed: it proves nothing.
    """
    document, relation = trusted.activity.object, trusted.relation
    if document is None or relation is None:
        raise Malformed("An introduction embeds the actor document.")
    if trusted.activity.type == "Update":
        resolver.check(document, rekeying.node_key_for(document, relation, work))
        _check_names(document, work)
        return document, relation.node
    actor = activities.iri(document.get("id"), "id")
    if trusted.space is None or iris.same_origin(actor, work.node):
        raise OutOfScope("Only a space introduces people of other nodes, and nobody ours.")
    member = _node_of(actor, trusted.space, work)
    if actor == member.node:
        rekeying.check(document, actor, _node_keys(member, proofs.proof_of(document), work), work)
        return document, member.node
    former = [each for each in work.spaces.former(trusted.space.iri) if each.node == member.node]
    known = work.actors.document(actor)
    resolver.check(document, _vouched(member, document, work, () if known else former))
    if known is not None:  # another host, or the node itself, named the key before
        proofs.verify(known, _vouched(member, known, work, former))
        _check_names(document, work)
    return document, member.node


def _check_names(document: Document, work: Work) -> None:
    """The id of a key is never given to another key (SECURITY TH-08)."""
    known = work.actors.document(str(document["id"]))
    names = {} if known is None else {each.key_id: each.raw for each in rekeying.keys_of(known)}
    if any(names.get(each.key_id, each.raw) != each.raw for each in rekeying.keys_of(document)):
        raise ReplayedMessage("The id of a key was given to another key.")


def _vouched(
    member: MemberNode, document: Document, work: Work, former: Sequence[FormerNode] = ()
) -> PublicKey:
    """The key of its node by which a document is proved; of a node that only the roster names, also a `former` one.

    Raises BadProof when it is by none of them; as `_node_keys`.
    """
    proof = proofs.proof_of(document)
    key = rekeying.key_for(proof, _node_keys(member, proof, work), work)
    if key is None:
        raise BadProof("The proof is by no key of its node.")
    if not _is_known(member, work):
        for each in former:
            was = replace(key, raw=roster.key_of(MemberNode(each.node, each.name, each.key, "", "")).raw)
            if proofs.holds(document, was, proof):
                return was
    return key


def _is_known(member: MemberNode, work: Work) -> bool:
    """Whether we know the node by more than a roster: ours, or a partner's."""
    relation = work.peers.of_node(member.node)
    return member.node == work.node or (relation is not None and relation.state in _VERIFIED)


def _node_keys(member: MemberNode, proof: Proof, work: Work) -> tuple[PublicKey, ...]:
    """The keys of a node that the roster names; of a partner of ours, those that we know. Ours are ours.

    The roster says the key and not its id: that is the one that the proof names, if it is the node's at all.

    Raises:
        BadProof: the host names another key than the partner's.
        AgreementSuspended: nothing of a suspended partner enters, through whomever it comes (SECURITY C16).
    """
    if member.node == work.node:
        return (work.actors.signer(work.node).public,)
    named = roster.key_of(member)
    relation = work.peers.of_node(member.node)
    if relation is None or relation.state not in _VERIFIED:
        method = proof.verification_method
        if proof.controller != member.node:
            return (named,)
        held = work.actors.key_at(method, rekeying.moment_of(proof))
        return (held or replace(named, key_id=method),)
    if relation.state is State.SUSPENDED or relation.recompare:
        raise AgreementSuspended(f"The relation with {member.node} is suspended.")
    if all(named.raw != known.raw for known in relation.keys) and not _was_key(named, member, work):
        raise BadProof("The roster names another key for a partner than the one that we know.")
    return relation.keys


def _was_key(key: PublicKey, member: MemberNode, work: Work) -> bool:
    """Whether the node has named this key itself, before it changed it."""
    document = work.actors.document(member.node)
    return document is not None and any(key.raw == each.raw for each in rekeying.keys_of(document))


_VERIFIED = frozenset({State.VERIFIED, State.OFFERED, State.IN_FORCE, State.SUSPENDED, State.EXPIRED})


def _prove(activity: Activity, relation: Relation, work: Work, member: MemberNode | None = None) -> None:
    """By a key of its own actor, as it held when the proof was made; `member` is its node, where a roster names it.

    The request is signed by a node key that holds now; what waited on its way may have been proved before.
    """
    proof = proofs.proof_of(activity.document)
    if proof.controller != activity.actor:
        raise BadProof("The proof is by another than the actor.")
    keys = () if member is None else _node_keys(member, proof, work)
    key: PublicKey | None
    if activity.actor == relation.node:
        key = rekeying.key_for(proof, relation.keys, work)
    elif member is not None and activity.actor == member.node:
        key = rekeying.key_for(proof, keys, work)
    else:
        method = proof.verification_method
        key = work.actors.key(method) or work.actors.key_at(method, rekeying.moment_of(proof))
    if key is None:
        raise UnknownActor(f"{activity.actor} was not introduced, or not with this key.")
    proofs.verify(activity.document, key, f"{work.now:%Y-%m-%dT%H:%M:%SZ}", proof=proof)


def _check_ids(activity: Activity) -> None:
    """FEP-fe34: id and actor on one origin; a new object on its owner's origin; sizes (SECURITY F4)."""
    if not iris.same_origin(activity.id, activity.actor):
        raise OutOfScope("The id of the activity lies outside the origin of its actor.")
    if activity.type == "Create" and (
        activity.object_id is None or not iris.same_origin(activity.object_id, activity.actor)
    ):
        raise OutOfScope("A new object lies on the origin of its author.")
    said = (activity.document, activity.object or {})
    for document in said[:1] if activity.type == "Announce" else said:  # what it wraps is asked by itself
        if len(documents.addresses(document)) > limits.MAX_ADDRESSES:
            raise TooLarge(f"At most {limits.MAX_ADDRESSES} addresses.")
        if len(documents.as_list(document.get("attachment"))) > limits.MAX_ATTACHMENTS:
            raise TooLarge(f"At most {limits.MAX_ATTACHMENTS} attachments.")
        if len(documents.as_list(document.get("tag"))) > limits.MAX_TAGS:
            raise TooLarge(f"At most {limits.MAX_TAGS} tags.")


_NO_SPACE = "The agreement does not cover this space."  # the same words for absent and forbidden


def _space_of(activity: Activity, work: Work) -> Space | None:
    """The space that the activity names as its audience, or None when it names none.

    Raises OutOfScope for a space that we do not know.
    """
    if activity.audience is None:
        return None
    space = work.spaces.get(activity.audience)
    if space is None:
        raise OutOfScope(_NO_SPACE)
    return space


def _is_told_of(relation: Relation, space: Space, activity: Activity, work: Work) -> bool:
    """Whether this partner may know that we know the space (SECURITY C2). To knock, its name is enough."""
    if not space.hosted:
        return space.host == relation.node
    return activity.type == "Follow" or any(
        each.node == relation.node for each in work.spaces.nodes(space.iri)
    )


def _check_ordered_here(space: Space | None) -> None:
    """What has a place in a space is said to its host; the space itself says it by its Announces."""
    if space is None or not space.hosted:
        raise OutOfScope("What is said in a space goes to its host.")


def _check_inside(activity: Activity, act: tuple[str, Thing], space: Space) -> None:
    """The embedded object names the same author and space as the activity (SECURITY B8, B12)."""
    embedded = activity.object or {}
    if act in _BRINGS_OBJECT:
        if embedded.get("attributedTo") != activity.actor:
            raise OutOfScope("Activity and object name different authors.")
        if embedded.get("audience", space.iri) != space.iri:
            raise OutOfScope("Activity and object name different spaces.")
    if activity.type in {"Join", "Leave", "Follow"} and activity.object_id != space.iri:
        raise OutOfScope("Audience and object name different spaces.")


_BRINGS_OBJECT = frozenset({("Create", Thing.OBJECT), ("Update", Thing.OBJECT)})


def _node_of(actor: str, space: Space, work: Work, rev: int | None = None) -> MemberNode:
    """The organisation of an actor; a former one for what has a `rev` of its time, and to be introduced."""
    for each in work.spaces.nodes(space.iri):
        if iris.same_origin(each.node, actor):
            return each
    for gone in work.spaces.former(space.iri):
        if iris.same_origin(gone.node, actor) and (rev is None or rev < gone.until):
            return MemberNode(gone.node, gone.name, gone.key, "former", "")
    raise OutOfScope("The roster names no node on the origin of this actor.")
