"""Apply what may be said, and all that follows; as host of its space, order and announce it first.

Rule: the one place where a `Trusted` activity takes effect, whether it came from a partner or from
our own people. Source: PROTOCOL 2.0 (*Order*), 2.j.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from federation import activities, authority, authorship, exchange, fence, sequencer
from federation.activity import Document
from federation.errors import Forbidden
from federation.kind import Reply
from federation.ports import Work
from federation.settings import Settings
from federation.trust import Trusted


def take(trusted: Trusted, work: Work, settings: Settings) -> None:
    """Apply what may be said, and all that follows from it; as host of its space, order it first."""
    following: list[Reply | Trusted] = [trusted]
    while following:
        current = following.pop(0)
        if isinstance(current, Reply):
            said = authorship.write(current.document, current.actor, work, settings)
            sequencer.introduce(current.relation, (current.actor,), None, work, settings)
            exchange.append(current.relation, said, work)
            continue
        kind = activities.BY_NAME[current.activity.type]  # the table of `authority` knows no other
        if current.to_be_ordered and _is_ordered(current):
            following[:0] = _order(current, kind.receive, work, settings)
        else:
            further = kind.receive(current, work)
            _keep(current, further, work)
            following[:0] = further


def _order(
    current: Trusted,
    receive: Callable[[Trusted, Work], Sequence[Reply | Trusted]],
    work: Work,
    settings: Settings,
) -> Sequence[Reply | Trusted]:
    """Give it its rev, apply it, and announce it to those on the roster before or after it.

    Where a partner, or we towards it, stopped the space, that partner alone goes without.
    Raises OutOfScope when the charter of one of them does not cover it: then nobody gets it, and the author is told
    whose it was.
    """
    placed = sequencer.give_rev(current, work)
    before = sequencer.partners(placed, work)
    space, roster = placed.space, _roster_of(placed)
    node = work.node if placed.relation is None else placed.relation.node
    if roster is None and space is not None:
        before = [relation for relation in before if space.iri not in relation.stopped]
        for relation in before:
            try:
                fence.covers(relation, placed.activity, space.iri, node)
            except Forbidden as refusal:
                refusal.detail = f"{relation.name}: {refusal.detail}"
                named = {"organisation": relation.node, "organisationName": relation.name}
                refusal.members = {**refusal.members, **named}
                raise
    following = receive(placed, work)
    _keep(placed, following, work)
    after = before if roster is None else sequencer.partners(placed, work)
    audience = {relation.id: relation for relation in (*before, *after)}
    sequencer.announce(placed, work, settings, audience.values())
    if roster is not None and space is not None:
        sequencer.introduce_members(roster, after, space.iri, work, settings)
    return following


def _keep(current: Trusted, following: Sequence[Reply | Trusted], work: Work) -> None:
    """Into the journal, once: before an Announce what it wraps, so that its bytes are stored once."""
    inside = next((each.activity for each in following if isinstance(each, Trusted)), None)
    for activity, wrapped in ((inside, None), (current.activity, inside)):
        if activity is not None and work.journal.digest_of(activity.id) is None:
            work.journal.keep(activity, inside=wrapped)


def _is_ordered(current: Trusted) -> bool:
    return (current.activity.type, authority.thing_of(current.activity)) in authority.ORDERED


def _roster_of(current: Trusted) -> Document | None:
    return current.activity.object if current.activity.object_type == "Roster" else None
