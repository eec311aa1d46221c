"""Apply what may be said, and all that follows; as host of its space, order and announce it first.

Rule: the one place where a `Trusted` activity takes effect, whether it came from a partner or from
our own people. Source: PROTOCOL 2.0 (*Order*), 2.j.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from federation import activities, authority, authorship, exchange, sequencer
from federation.errors import OutOfScope
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
        kind = activities.BY_NAME.get(current.activity.type)
        if kind is None:
            raise OutOfScope(f"Activities of type {current.activity.type} are not known here.")
        if current.to_be_ordered and _is_ordered(current):
            following[:0] = _order(current, kind.receive, work, settings)
        else:
            _keep(current, work)
            following[:0] = kind.receive(current, work)


def _order(
    current: Trusted,
    receive: Callable[[Trusted, Work], Sequence[Reply | Trusted]],
    work: Work,
    settings: Settings,
) -> Sequence[Reply | Trusted]:
    """Give it its rev, apply it, and announce it to those on the roster before or after it."""
    placed = sequencer.give_rev(current, work)
    before = sequencer.partners(placed, work)
    _keep(placed, work)
    following = receive(placed, work)
    after = sequencer.partners(placed, work) if _changes_roster(placed) else []
    audience = {relation.id: relation for relation in (*before, *after)}
    sequencer.announce(placed, work, settings, audience.values())
    return following


def _keep(current: Trusted, work: Work) -> None:
    if work.journal.digest_of(current.activity.id) is None:
        work.journal.keep(current.activity)


def _is_ordered(current: Trusted) -> bool:
    return (current.activity.type, authority.thing_of(current.activity)) in authority.ORDERED


def _changes_roster(current: Trusted) -> bool:
    return current.activity.object_type == "Roster"
