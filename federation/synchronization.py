"""`Collection-Synchronization` on a batch with Announces: the host says which of our people are in its space.

Rule: a hint, and no more. It finds within minutes what faults and old backups did to a list of members; against a lie
it proves nothing. The batch is taken whatever it says, and nothing is fetched for it: where the lists differ, the copy
is compared soon. Source: FEP-8fcf; PROTOCOL 1.5, 2.c.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from federation import iris
from federation.digest import Synchronization, followers_digest, followers_of, read_synchronization
from federation.errors import OutOfScope, RemoteError
from federation.ports import Entry, Relation, Work

FIELD = "Collection-Synchronization"
AGAIN = timedelta(minutes=10)

_MEMBERS, _PARTIAL = "/members", "/members_synchronization"
_SPEAKER = re.compile(rb'"actor":"([^"\\]+)"')  # of an Announce of ours, which says it before what it wraps
_CHANGE = re.compile(rb'"type":"(?:Add|Join|Leave|Remove|Roster)"')  # a text has its quotes escaped


@dataclass(slots=True)
class Told:
    """When one partner was last told of the members of each space. Whoever delivers keeps it, and may lose it."""

    at: dict[str, datetime] = field(default_factory=dict)


def due(
    relation: Relation, read: Sequence[tuple[Entry, bytes]], told: Told, work: Work
) -> Synchronization | None:
    """What to say on a batch of these entries, of one space in it: after a change of its people, else now and then.

    Nothing while more waits than these, as the partner cannot have the list that we have. Costs no statement unless
    there is something to say.
    """
    if not read or read[-1][0].seq != work.log.head(relation).seq:
        return None
    for entry, line in read:
        found = _SPEAKER.search(line) if entry.type == "Announce" else None
        if found is None or (space := found[1].decode()) in relation.stopped:
            continue
        last = told.at.get(space)
        is_due = last is None or work.now - last >= AGAIN or _CHANGE.search(line)
        if is_due and any(each.node == relation.node for each in work.spaces.nodes(space)):
            told.at[space] = work.now
            return _of(space, relation.node, work)
    return None


def partial_of(space: str) -> str:
    """Where a partner reads which people of its own are in our space (IRI)."""
    return f"{space}{_PARTIAL}"


def take(value: str | None, relation: Relation, work: Work) -> None:
    """What the host of a space said on a batch that is taken now; `value` is the field, which its signature covers."""
    if value is None:
        return
    try:
        said = read_synchronization(value)
        space = _space_of(said, relation, work)
    except RemoteError as error:
        work.audit.note(
            "replica.not-synchronized", partner=relation.node, problem=error.type, rule=error.detail
        )
        return
    if said.digest != _of(space, work.node, work).digest:
        work.statements.doubt(space)


def _of(space: str, node: str, work: Work) -> Synchronization:
    people = followers_of(work.spaces.members(space), node)
    return Synchronization(f"{space}{_MEMBERS}", partial_of(space), followers_digest(people))


def _space_of(said: Synchronization, relation: Relation, work: Work) -> str:
    """The space of this partner that it speaks of. Raises OutOfScope, Malformed."""
    if not iris.same_origin(said.url, relation.node):
        raise OutOfScope("The partial collection lies outside the origin of its host.")
    space = work.spaces.get(said.collection_id.removesuffix(_MEMBERS))
    if space is None or not said.collection_id.endswith(_MEMBERS):
        raise OutOfScope("The collection is of no space.")
    if space.hosted or space.host != relation.node or not space.active or space.iri in relation.stopped:
        raise OutOfScope("The space is not this partner's, or we are not in it.")
    return space.iri
