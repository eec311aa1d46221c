"""Who may say what: one decision table, refused by default.

Rule: the key is the triple (peer, space, verb) with the owner of what is spoken of; a verb and a
thing that stand in no row are refused. Colleagues of one node have no rights over each other.
Source: FEP-fe34; SECURITY 0.1, 0.3, TH-05, TH-13, TH-23; PROTOCOL 2.a, 2.f, 2.j; DECISIONS 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from federation import documents, iris
from federation.activity import Activity
from federation.errors import Malformed, NotMember, OutOfScope
from federation.ports import Role, Space, Stored, Work

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
    CHECKPOINT = "a checkpoint of a log"
    STATEMENT = "a statement about a replica"
    ANNOUNCED = "what the space has accepted"


_S = Standing

#: verb, thing -> the alternatives; each is held as a whole or not at all.
TABLE: dict[tuple[str, Thing], tuple[frozenset[Standing], ...]] = {
    ("Create", Thing.OBJECT): (frozenset({_S.OWNER, _S.MEMBER}),),
    ("Create", Thing.RECEIPT): (frozenset({_S.NODE}),),
    ("Create", Thing.CHECKPOINT): (frozenset({_S.NODE}),),
    ("Create", Thing.STATEMENT): (frozenset({_S.NODE}),),
    ("Update", Thing.OBJECT): (frozenset({_S.OWNER, _S.MEMBER}),),
    ("Update", Thing.ACTOR): (frozenset({_S.NODE, _S.OWNERS_NODE}),),
    ("Update", Thing.ROSTER): (frozenset({_S.SPACE}),),
    ("Update", Thing.INVITE): (frozenset({_S.NODE}),),
    ("Delete", Thing.OBJECT): (
        frozenset({_S.OWNER}),  # also of who has left: one's own words one may always take back
        frozenset({_S.OWNERS_NODE}),
        frozenset({_S.MANAGER}),
        frozenset({_S.SPACE}),
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
    ("Update", Thing.AGREEMENT): (frozenset({_S.NODE}),),
    ("Undo", Thing.AGREEMENT): (frozenset({_S.NODE}),),
    ("Undo", Thing.OFFER): (frozenset({_S.NODE}),),
    ("Announce", Thing.ACTOR): (frozenset({_S.SPACE}),),
    ("Announce", Thing.ANNOUNCED): (frozenset({_S.SPACE}),),
}

#: Outside `activityTypes` and `objectTypes` (PROTOCOL 2.a.5, 2.j).
CONTROL: frozenset[tuple[str, Thing]] = frozenset(
    {
        ("Create", Thing.RECEIPT),
        ("Create", Thing.CHECKPOINT),
        ("Create", Thing.STATEMENT),
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
        ("Update", Thing.AGREEMENT),
        ("Undo", Thing.AGREEMENT),
        ("Undo", Thing.OFFER),
        ("Announce", Thing.ACTOR),
    }
)

#: What passes while the agreement is suspended (PROTOCOL 2.a.7); a Delete only as a recall, an Announce only of one:
#: `passes_suspended`.
PASSES_SUSPENDED: frozenset[tuple[str, Thing]] = frozenset(
    {
        ("Create", Thing.RECEIPT),
        ("Create", Thing.CHECKPOINT),
        ("Create", Thing.STATEMENT),
        ("Update", Thing.ACTOR),
        ("Update", Thing.AGREEMENT),
        ("Undo", Thing.AGREEMENT),
        ("Undo", Thing.OFFER),
        ("Delete", Thing.OBJECT),
        ("Announce", Thing.ANNOUNCED),
    }
)

#: What passes after a node key was revoked, until both admins have compared the new one (PROTOCOL 2.0, *Node key*).
PASSES_UNCOMPARED: frozenset[tuple[str, Thing]] = frozenset(
    {("Update", Thing.ACTOR), ("Update", Thing.INVITE)}
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
    "LogCheckpoint": Thing.CHECKPOINT,
    "ReplicaStatement": Thing.STATEMENT,
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
    kinds = activity.object_types
    is_actor = not ACTOR_TYPES.isdisjoint(kinds)
    if activity.type == "Announce":
        return Thing.ACTOR if is_actor else Thing.ANNOUNCED
    if activity.type == "Invite" and "Group" in kinds:
        return Thing.SPACE
    if activity.type == "Undo" and "Accept" in kinds:
        return Thing.AGREEMENT if _accepts_offer(activity) else Thing.INVITE
    if activity.type in {"Accept", "Reject", "Undo"} and {"Invite", "Accept"} & set(kinds):
        return Thing.INVITE
    if activity.type == "Update" and "Invite" in kinds:
        return Thing.INVITE
    if "PeeringAgreement" in kinds:
        return Thing.AGREEMENT
    if is_actor:
        return Thing.ACTOR
    if kinds:
        return _BY_TYPE.get(kinds[0], Thing.OBJECT)
    if activity.type not in _BY_REFERENCE:
        raise OutOfScope(f"{activity.type} needs its object embedded.")
    return _BY_REFERENCE[activity.type]


def _accepts_offer(activity: Activity) -> bool:
    """Whether the Accept that is undone was of an Offer; one that does not say so was of a space when it names one."""
    accepted = documents.types((activity.object or {}).get("object"))
    return "Offer" in accepted if accepted else activity.audience is None


def passes_suspended(activity: Activity) -> bool:
    """Whether `activity` passes while the agreement is suspended: control, keys, and recalls (PROTOCOL 2.a.7).

    Raises OutOfScope when nothing here knows what it speaks of.
    """
    act = (activity.type, thing_of(activity))
    if act == ("Announce", Thing.ANNOUNCED):
        said = activity.object or {}
        return said.get("type") == "Delete" and "recall" in said
    return act in PASSES_SUSPENDED and (activity.type != "Delete" or "recall" in activity.document)


def decide(claim: Claim, work: Work) -> Thing:
    """Look up the row, and let pass who holds all of one of its alternatives.

    Raises:
        NotMember: only membership is lacking.
        OutOfScope: no such row, or the actor has no such standing.
        Malformed: the object does not say whose it is.
    """
    activity = claim.activity
    thing = thing_of(activity)
    alternatives = TABLE.get((activity.type, thing))
    if alternatives is None:
        raise OutOfScope(f"{activity.type} of {thing} is nothing that a partner may say.")
    case = _Case(claim, thing, work)
    no_member = False
    for alternative in alternatives:
        lacking = [standing for standing in alternative if not case.holds(standing)]
        if not lacking:
            return thing
        no_member = no_member or lacking == [Standing.MEMBER]
    if no_member:
        raise NotMember(f"{activity.actor} is no member of the space.")
    raise OutOfScope(f"{activity.actor} may not {activity.type} {thing}.")


class _Case:
    """One claim with what is looked up for it, each at most once."""

    def __init__(self, claim: Claim, thing: Thing, work: Work) -> None:
        self.claim, self.activity, self.space, self.thing = claim, claim.activity, claim.space, thing
        self.work = work

    def holds(self, standing: Standing) -> bool:
        """Whether the actor has this standing towards what it speaks of."""
        match standing:
            case Standing.OWNER:
                return self.owner == self.activity.actor
            case Standing.MEMBER:
                return self.space is not None and (self.claim.announced or self.role is not None)
            case Standing.NODE:
                return self.is_node
            case Standing.OWNERS_NODE:
                return self.is_node and self.owner is not None and self._at_home(self.owner)
            case Standing.MANAGER:
                return self.role is Role.MANAGER and self.is_here
            case Standing.SPACE:
                return self._is_space() and self.is_here
            case Standing.ADMITTED:
                return self._names_space() and (self.claim.announced or self._on_roster())
            case _:  # of a node with an agreement, as everybody here is
                return self._names_space()

    @property
    def is_node(self) -> bool:
        return self.activity.actor == self.claim.node

    @cached_property
    def role(self) -> Role | None:
        return None if self.space is None else self.work.spaces.role(self.space.iri, self.activity.actor)

    @cached_property
    def stored(self) -> Stored | None:
        """What is known of the object spoken of; of all else nothing is stored as an object."""
        if self.thing is not Thing.OBJECT or self.activity.object_id is None:
            return None
        return self.work.objects.stored(self.activity.object_id)

    @property
    def is_here(self) -> bool:
        """No power of a space reaches what was posted in another one."""
        return self.stored is None or (self.space is not None and self.stored.audience == self.space.iri)

    @cached_property
    def owner(self) -> str | None:
        """Whose it is: as stored here; of something new, as it says itself. Raises Malformed."""
        activity = self.activity
        if self.thing in {Thing.PERSON, Thing.ACTOR}:
            return activity.object_id
        if self.thing is Thing.LIKE:
            return _named(activity, "actor")
        if self.stored is not None:
            return self.stored.attributed_to if self.is_here else None
        if activity.type == "Delete":  # of what was never seen: nobody's, unless its space vouches for it
            return activity.actor if self.claim.announced else None
        return _named(activity, "attributedTo")

    def _at_home(self, actor: str) -> bool:
        return iris.same_origin(actor, self.activity.actor)

    def _names_space(self) -> bool:
        return self.space is not None and self.activity.object_id == self.space.iri

    def _on_roster(self) -> bool:
        space = self.space
        return space is not None and any(
            each.node == self.claim.node for each in self.work.spaces.nodes(space.iri)
        )

    def _is_space(self) -> bool:
        if self.space is None:  # it offers itself, to those who do not know it yet
            return self.activity.type == "Invite" and self.activity.object_id == self.activity.actor
        return self.activity.actor == self.space.iri and self.space.host == self.claim.node


def _named(activity: Activity, member: str) -> str:
    """Whom an embedded object names as its own."""
    owner = (activity.object or {}).get(member)
    if not isinstance(owner, str):
        raise Malformed(f"The object names no `{member}`.")
    return owner
