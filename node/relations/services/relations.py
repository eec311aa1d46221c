"""The use cases over one node's relations, as doors and other capabilities hold them.

Each noun has its module: `invitations`, `fingerprints`, `charters`, `standing`, `stops` (of single spaces), and
`partners` for what is read.
Source: PROTOCOL 2.a; PRODUCT D.15 to D.17.
"""

from __future__ import annotations

import threading
from datetime import date

from federation.ports import State
from node.core.db import Database
from node.core.ground import Ground
from node.exchange import service as exchange
from node.relations import records
from node.relations.services.charters import Charters
from node.relations.services.desk import By, NotTheStep
from node.relations.services.fingerprints import Fingerprints
from node.relations.services.invitations import Invitations
from node.relations.services.partners import Partner
from node.relations.services.standing import Standing
from node.relations.services.stops import Stops


class Relations(Invitations, Fingerprints, Charters, Standing, Stops):
    """All of them, and what our own register and delivery need."""

    def register(self, key: str, by: By, *, contact: str, review_on: date | None) -> Partner:
        """What our register says beside the charter. Raises NoSuchPartner."""
        with self._ground.database.writing() as session:
            row = self._row(session, key)
            records.change(session, self._ground, row["id"], contact=contact, review_on=review_on)
            self._record(session, "relation.registered", by, peer=row["node"])
        return self.partner(key)

    def retry(self, key: str, by: By) -> Partner:
        """Tries again at once: delivery, whatever stopped it, and what could not be applied here.

        Raises NoSuchPartner, NotTheStep (no agreement is in force).
        """
        with exchange.open_work(self._ground) as work:
            row = self._row(work.session, key)
            if row["state"] != State.IN_FORCE:
                raise NotTheStep(row["state"])
            exchange.resume(work, str(row["id"]))
            self._record(work.session, "delivery.resumed", by, peer=row["node"])
        return self.partner(key)


GROUNDS_KEPT = 8  # a process has one; a test of several nodes has a few

_made: dict[Database, Relations] = {}
_making = threading.Lock()


def relations_of(ground: Ground) -> Relations:
    """The use cases of this node, made once."""
    found = _made.get(ground.database)
    if found is None:
        with _making:
            while len(_made) >= GROUNDS_KEPT:
                del _made[next(iter(_made))]
            found = _made.setdefault(ground.database, Relations(ground))
    return found
