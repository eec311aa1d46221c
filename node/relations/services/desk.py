"""What every use case over partners needs: the ground, the clock, the row of a partner, the record.

Rule: a use case is one unit of work and one line on record; it raises errors of `node.core.errors` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask_babel import lazy_gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from federation.ports import Relation
from node.core.audit import Act
from node.core.errors import Absent, Changed
from node.core.ground import Ground
from node.core.log import get_logger
from node.core.values import value
from node.exchange import service as exchange
from node.relations import records
from node.relations.records import INVITE, RELATION
from node.relations.services import messages

logger = get_logger(__name__)

_INVITES = INVITE.c
_RELATIONS = RELATION.c


@value
class By:
    """The administrator who acts: IRI (empty on the command line) and name."""

    actor: str
    name: str


class NoSuchPartner(Absent):
    """No relation and no open invitation has the key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"No partner {key!r}.")


class NotTheStep(Changed):
    """The relation is at another step than this needs; somebody was faster, or the other side moved."""

    def __init__(self, state: str) -> None:
        super().__init__(_("The relation has moved on meanwhile. Look at it again."), f"state {state}")


class Desk:
    """One node's ground, and how its relations are found and written about."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._settings = exchange.settings_of(ground)

    def _now(self) -> datetime:
        return self._ground.clock.now()

    def _send(self, relation_id: int | str) -> None:
        problem = messages.send(self._ground, int(relation_id))
        if problem:
            logger.info("handshake.not-taken", relation=relation_id, cause=problem)

    def _record(
        self,
        session: Session,
        action: str,
        by: By,
        *,
        peer: str = "",
        subject: str = "",
        digest: str = "",
        **detail: str,
    ) -> None:
        told = {name: value for name, value in detail.items() if value}
        act = Act(action, by.actor, peer, subject, digest=digest, detail=told)
        self._ground.audit.append(session, act)

    def _hosts(self, session: Session) -> list[str]:
        """Our own host and those of the partners."""
        live = session.scalars(select(_RELATIONS.origin).where(_RELATIONS.ended_at.is_(None)))
        return [host_of(each) for each in (self._settings.origin, *live)]

    def _row_or_none(self, session: Session, key: str) -> Mapping[Any, Any] | None:
        query = select(*_RELATIONS).where(_RELATIONS.key == key)
        return session.execute(query.order_by(_RELATIONS.id.desc())).mappings().first()

    def _row(self, session: Session, key: str) -> Mapping[Any, Any]:
        row = self._row_or_none(session, key)
        if row is None:
            raise NoSuchPartner(key)
        if row["ended_at"] is not None:
            raise NotTheStep(row["state"])
        return row

    def _live(self, session: Session, node: str) -> Relation:
        row = records.live(session, node)
        if row is None:
            raise NoSuchPartner(node)
        return records.relation_of(row)

    def _invite(self, session: Session, key: str) -> Mapping[Any, Any]:
        query = select(*_INVITES).where(
            _INVITES.key == key, _INVITES.used_at.is_(None), _INVITES.cancelled_at.is_(None)
        )
        row = session.execute(query).mappings().first()
        if row is None:
            raise NoSuchPartner(key)
        return row


def host_of(origin: str) -> str:
    """The host of an origin, without its port."""
    return origin.partition("://")[2].partition(":")[0]
