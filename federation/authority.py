"""Who may say what: one decision table, refused by default.

Rule: the key is the triple (peer, space, verb) with the owner of what is spoken of; a verb and a
thing that stand in no row are refused. Colleagues of one node have no rights over each other.
Source: FEP-fe34; SECURITY 0.1, 0.3, TH-05, TH-13, TH-23; PROTOCOL 2.f, 2.j; DECISIONS 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from federation import documents, iris
from federation.activity import Activity
from federation.errors import Malformed, NotMember, OutOfScope
from federation.ports import Role, Space, Work

ACTOR_TYPES = frozenset({"Application", "Group", "Organization", "Person", "Service"})


class Standing(StrEnum):
    """What the actor of an activity is to the thing that it speaks of."""

    NODE = "the node actor of the sender"
    SPACE = "the space itself"
    OWNER = "whose object it is"
    OWNERS_NODE = "the node actor of the owner's origin"
    MEMBER = "a member of the space"
    MANAGER = "a manager of the space"
    ADMITTED = "of an organisation on the roster"
    PARTNER = "of a node with an agreement"


class Thing(StrEnum):
    """What an activity speaks of."""

    ACTOR = "an actor document"
    OBJECT = "what people post"
    LIKE = "a Like"
    PERSON = "a person, as member"
    SPACE = "a space"
    ROSTER = "the roster of a space"
    AGREEMENT = "an agreement"
    OFFER = "an Offer of an agreement"
    INVITE = "an invitation"
    REQUEST = "a request to enter a space"
    RECEIPT = "a delivery receipt"
    ANNOUNCED = "what the space has accepted"


_S = Standing

#: verb, thing -> the alternatives; each is held as a whole or not at all.
TABLE: dict[tuple[str, Thing], tuple[frozenset[Standing], ...]] = {
    ("Create", Thing.OBJECT): (frozenset({_S.OWNER, _S.MEMBER}),),
    ("Create", Thing.RECEIPT): (frozenset({_S.NODE}),),
    ("Update", Thing.OBJECT): (frozenset({_S.OWNER, _S.MEMBER}),),
    ("Update", Thing.ACTOR): (frozenset({_S.NODE, _S.OWNERS_NODE}),),
    ("Update", Thing.ROSTER): (frozenset({_S.SPACE}),),
    ("Update", Thing.INVITE): (frozenset({_S.NODE}),),
    ("Delete", Thing.OBJECT): (
        frozenset({_S.OWNER, _S.MEMBER}),
        frozenset({_S.OWNERS_NODE}),
        frozenset({_S.MANAGER}),
    ),
    ("Like", Thing.OBJECT): (frozenset({_S.MEMBER}),),
    ("Undo", Thing.LIKE): (frozenset({_S.OWNER, _S.MEMBER}),),
    ("Undo", Thing.INVITE): (frozenset({_S.NODE}),),
    ("Add", Thing.PERSON): (frozenset({_S.MANAGER}),),
    ("Remove", Thing.PERSON): (frozenset({_S.MANAGER}), frozenset({_S.OWNERS_NODE})),
    ("Join", Thing.SPACE): (frozenset({_S.ADMITTED}),),
    ("Leave", Thing.SPACE): (frozenset({_S.MEMBER}),),
    ("Follow", Thing.SPACE): (frozenset({_S.PARTNER}),),
    ("Invite", Thing.SPACE): (frozenset({_S.SPACE}),),
    ("Accept", Thing.INVITE): (frozenset({_S.NODE}),),
    ("Reject", Thing.INVITE): (frozenset({_S.NODE}),),
    ("Accept", Thing.OFFER): (frozenset({_S.NODE}),),
    ("Reject", Thing.OFFER): (frozenset({_S.NODE}),),
    ("Accept", Thing.REQUEST): (frozenset({_S.SPACE}),),
    ("Reject", Thing.REQUEST): (frozenset({_S.SPACE}),),
    ("Offer", Thing.AGREEMENT): (frozenset({_S.NODE}),),
    ("Undo", Thing.OFFER): (frozenset({_S.NODE}),),
    ("Announce", Thing.ACTOR): (frozenset({_S.SPACE}),),
    ("Announce", Thing.ANNOUNCED): (frozenset({_S.SPACE}),),
}

#: Outside `activityTypes` and `objectTypes` (PROTOCOL 2.a.5, 2.j).
CONTROL: frozenset[tuple[str, Thing]] = frozenset(
    {
        ("Create", Thing.RECEIPT),
        ("Update", Thing.ACTOR),
        ("Update", Thing.ROSTER),
        ("Update", Thing.INVITE),
        ("Undo", Thing.INVITE),
        ("Accept", Thing.INVITE),
        ("Reject", Thing.INVITE),
        ("Accept", Thing.OFFER),
        ("Reject", Thing.OFFER),
        ("Accept", Thing.REQUEST),
        ("Reject", Thing.REQUEST),
        ("Offer", Thing.AGREEMENT),
        ("Undo", Thing.OFFER),
        ("Announce", Thing.ACTOR),
    }
)

#: What the host of a space gives a `rev` and announces (PROTOCOL 2.0, *Order*).
ORDERED: frozenset[tuple[str, Thing]] = frozenset(
    {
        ("Create", Thing.OBJECT),
        ("Update", Thing.OBJECT),
        ("Update", Thing.ROSTER),
        ("Delete", Thing.OBJECT),
        ("Like", Thing.OBJECT),
        ("Undo", Thing.LIKE),
        ("Add", Thing.PERSON),
        ("Remove", Thing.PERSON),
        ("Join", Thing.SPACE),
        ("Leave", Thing.SPACE),
    }
)

_BY_TYPE = {
    "Roster": Thing.ROSTER,
    "DeliveryReceipt": Thing.RECEIPT,
    "Offer": Thing.OFFER,
    "Like": Thing.LIKE,
    "Join": Thing.REQUEST,
    "Follow": Thing.REQUEST,
}
_BY_REFERENCE = {
    "Join": Thing.SPACE,
    "Leave": Thing.SPACE,
    "Follow": Thing.SPACE,
    "Add": Thing.PERSON,
    "Remove": Thing.PERSON,
    "Like": Thing.OBJECT,
    "Delete": Thing.OBJECT,
}


@dataclass(frozen=True, slots=True)
class Claim:
    """One question to the table. `node` is the node actor under whose authority it came.

    `announced`: the space's host has accepted it; membership at that time was the host's to judge.
    """

    activity: Activity
    node: str
    space: Space | None
    announced: bool


def thing_of(activity: Activity) -> Thing:
    """What `activity` speaks of, by its verb and the type of its object.

    Raises OutOfScope when nothing here knows such a thing.
    """
    kinds = documents.types(activity.object) if activity.object is not None else ()
    if activity.type == "Announce":
        return Thing.ACTOR if ACTOR_TYPES & set(kinds) else Thing.ANNOUNCED
    if activity.type == "Invite" and "Group" in kinds:
        return Thing.SPACE
    if activity.type in {"Accept", "Reject", "Undo"} and {"Invite", "Accept"} & set(kinds):
        return Thing.INVITE
    if activity.type == "Update" and "Invite" in kinds:
        return Thing.INVITE
    if "PeeringAgreement" in kinds:
        return Thing.AGREEMENT
    if ACTOR_TYPES & set(kinds):
        return Thing.ACTOR
    if kinds:
        return _BY_TYPE.get(kinds[0], Thing.OBJECT)
    if activity.type not in _BY_REFERENCE:
        raise OutOfScope(f"{activity.type} needs its object embedded.")
    return _BY_REFERENCE[activity.type]


def decide(claim: Claim, work: Work) -> Thing:
    """Look up the row, and let pass who holds all of one of its alternatives.

    Raises:
        NotMember: only membership is lacking.
        OutOfScope: no such row, or the actor has no such standing.
    """
    thing = thing_of(claim.activity)
    alternatives = TABLE.get((claim.activity.type, thing))
    if alternatives is None:
        raise OutOfScope(f"{claim.activity.type} of {thing} is nothing that a partner may say.")
    lacking = [
        {standing for standing in alternative if not _HOLDS[standing](claim, work)}
        for alternative in alternatives
    ]
    if not all(lacking):
        return thing
    if {Standing.MEMBER} in lacking:
        raise NotMember(f"{claim.activity.actor} is no member of the space.")
    raise OutOfScope(f"{claim.activity.actor} may not {claim.activity.type} {thing}.")


def owner_of(claim: Claim, work: Work) -> str | None:
    """Whose the object is: as stored here; for something new, as it says itself.

    Raises Malformed when a new object lies outside its owner's origin or space.
    """
    activity = claim.activity
    if activity.type in {"Add", "Remove"}:
        return activity.object_id
    if activity.object_id is not None:
        stored = work.objects.stored(activity.object_id)
        if stored is not None:
            same_space = claim.space is None or stored.audience == claim.space.iri
            return stored.attributed_to if same_space else None
    if activity.object is None:
        return None
    if activity.type == "Update" and thing_of(activity) is Thing.ACTOR:
        return activity.object_id
    if activity.type == "Delete":  # of something never seen: nobody's, unless its space vouches for it
        return activity.actor if claim.announced else None
    owner = activity.object.get("actor" if activity.type == "Undo" else "attributedTo")
    if not isinstance(owner, str):
        raise Malformed("The object names no owner.")
    return owner


def _owns(claim: Claim, work: Work) -> bool:
    return owner_of(claim, work) == claim.activity.actor


def _is_owners_node(claim: Claim, work: Work) -> bool:
    owner = owner_of(claim, work)
    return owner is not None and _is_node(claim, work) and iris.same_origin(owner, claim.activity.actor)


def _is_node(claim: Claim, work: Work) -> bool:  # noqa: ARG001 - one signature for the whole table
    return claim.activity.actor == claim.node


def _is_space(claim: Claim, work: Work) -> bool:  # noqa: ARG001
    activity, space = claim.activity, claim.space
    if space is None:  # it offers itself, to those who do not know it yet
        return activity.type == "Invite" and activity.object_id == activity.actor
    return activity.actor == space.iri and space.host == claim.node


def _is_member(claim: Claim, work: Work) -> bool:
    if claim.space is None:
        return False
    return claim.announced or work.spaces.role(claim.space.iri, claim.activity.actor) is not None


def _is_manager(claim: Claim, work: Work) -> bool:
    return claim.space is not None and work.spaces.role(claim.space.iri, claim.activity.actor) is Role.MANAGER


def _is_admitted(claim: Claim, work: Work) -> bool:
    if claim.space is None or claim.activity.object_id != claim.space.iri:
        return False
    return claim.announced or any(each.node == claim.node for each in work.spaces.nodes(claim.space.iri))


def _is_partner(claim: Claim, work: Work) -> bool:  # noqa: ARG001
    return claim.space is not None and claim.activity.object_id == claim.space.iri


_HOLDS: dict[Standing, Callable[[Claim, Work], bool]] = {
    Standing.NODE: _is_node,
    Standing.SPACE: _is_space,
    Standing.OWNER: _owns,
    Standing.OWNERS_NODE: _is_owners_node,
    Standing.MEMBER: _is_member,
    Standing.MANAGER: _is_manager,
    Standing.ADMITTED: _is_admitted,
    Standing.PARTNER: _is_partner,
}
