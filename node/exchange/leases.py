"""Leases: which process delivers for which relation. One statement takes and renews all of them.

Rule: compare and set on the row of the relation; ten seconds, renewed every three. A lease of a process of this
host that runs no more is free. Source: ARCHITECTURE, section 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import or_, select, update

from federation.ports import Relation
from node.core import failpoints
from node.core.ground import Ground
from node.exchange.holder import gone, holder
from node.exchange.statements import insert_or_leave
from node.exchange.unit import LANE

LEASE_S = 10.0
RENEW_S = 3.0


class Leases:
    """The leases of this process."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._holder = holder()
        self._known: set[str] = set()

    def take(self, relations: Iterable[Relation]) -> set[str]:
        """Renews what is ours and takes what is free, among `relations`; the ids of those that we hold now."""
        wanted = {relation.id: relation.node for relation in relations}
        now = self._ground.clock.now()
        with self._ground.database.writing() as session:
            missing = [
                {"relation": relation, "node": node}
                for relation, node in wanted.items()
                if relation not in self._known
            ]
            if missing:
                dialect = session.get_bind().dialect.name
                insert_or_leave(dialect, LANE).run_all(session, missing)
            others = session.execute(
                select(LANE.c.lease_holder).where(LANE.c.lease_holder != "").distinct()
            ).scalars()
            mine = [self._holder, "", *(each for each in others if gone(each))]
            free = (
                select(LANE.c.id)
                .where(
                    LANE.c.relation.in_(wanted),
                    or_(
                        LANE.c.lease_holder.in_(mine),
                        LANE.c.lease_until.is_(None),
                        LANE.c.lease_until < now,
                    ),
                )
                .with_for_update(skip_locked=True)
            )
            taken = session.execute(
                update(LANE)
                .where(LANE.c.id.in_(free))
                .values(lease_holder=self._holder, lease_until=now + timedelta(seconds=LEASE_S))
                .returning(LANE.c.relation)
            ).scalars()
            held = set(taken)
        failpoints.hit("lanes.leased")
        self._known = set(wanted)
        return held

    def give_back(self) -> None:
        """Ends our leases, so that the next process need not wait."""
        with self._ground.database.writing() as session:
            session.execute(
                update(LANE)
                .where(LANE.c.lease_holder == self._holder)
                .values(lease_holder="", lease_until=None)
            )
