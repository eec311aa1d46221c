"""ActivityType: what one kind of activity is called and what it does.

Rule: `receive` writes through `work` and returns what follows; it sends nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from federation import documents
from federation.activity import Document
from federation.errors import LocalError, OutOfScope, UnknownActor
from federation.ports import Effect, Relation, Stored, Work
from federation.trust import Trusted


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer for the partner: an activity still without id, time and proof. `actor` is ours."""

    relation: Relation
    actor: str
    document: Document


@dataclass(frozen=True, slots=True)
class ActivityType:
    """One row of the table in `federation.activities`.

    What follows is a reply to send, or a further activity to take: the one inside an Announce.
    """

    name: str
    receive: Callable[[Trusted, Work], Sequence[Reply | Trusted]]


def effect_of(trusted: Trusted) -> Effect:
    """What the host's handlers get to see of an activity in a space.

    Raises LocalError for an activity outside any space.
    """
    if trusted.space is None:
        raise LocalError(f"{trusted.activity.id} acts in no space.")
    return Effect(
        activity=trusted.activity,
        space=trusted.space,
        actor=trusted.activity.actor,
        rev=trusted.rev,
        own=trusted.relation is None,
        relation=trusted.relation,
    )


def spoken_of(trusted: Trusted, object_id: str | None, work: Work) -> Stored | None:
    """The object of people that an activity changes, standing in its space.

    None on a replica that never had it: it was said before our time there (`historyFrom`, PROTOCOL 2.j); on a host too
    where it comes back after a restore, and what it speaks of was erased.
    Raises OutOfScope when no such object stands in this space.
    """
    space = trusted.space
    stored = None if object_id is None else work.objects.stored(object_id)
    if space is not None and stored is not None and stored.audience == space.iri:
        return stored
    if space is None or is_hosted(trusted) or stored is not None or object_id is None:
        raise OutOfScope("No such object in this space.")
    return None


def check_person(actor: str, work: Work) -> None:
    """Only people are members of a space: no node, and no other space.

    Raises:
        UnknownActor: never introduced.
        OutOfScope: something else than a Person.
    """
    document = work.actors.document(actor)
    if document is None:
        raise UnknownActor(f"{actor} was not introduced.")
    if "Person" not in documents.types(document):
        raise OutOfScope("Only people enter a space.")


def is_hosted(trusted: Trusted) -> bool:
    """Whether its space is ours to order, and it is said now: what comes `again` is taken as a copy takes it."""
    return trusted.space is not None and trusted.space.hosted and not trusted.again


def is_history(trusted: Trusted) -> bool:
    """Whether it was said before we took part: told later, it changes nobody's membership of today."""
    space, rev = trusted.space, trusted.rev
    return space is not None and not space.hosted and rev is not None and rev < space.first_rev
