"""How a relation under an agreement pauses and ends: suspend, resume, give notice, and what the calendar does.

Rule: ours holds here at once, in the unit of work that says it; the partner is told by a message that is sent until
it is taken. Source: PROTOCOL 2.a.7; PRODUCT D.16, B10.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast

from flask_babel import lazy_gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from federation import ending
from federation.activity import Activity
from federation.errors import EgressError, RemoteError
from federation.ports import Relation, State, Work
from node.core import failpoints
from node.core.clock import rfc3339
from node.core.errors import Invalid
from node.core.log import get_logger
from node.exchange import histories
from node.exchange import service as exchange
from node.relations import records
from node.relations.records import RELATION
from node.relations.services import messages
from node.relations.services.desk import By, NotTheStep
from node.relations.services.partners import Partner, Partners
from schemas.as2.agreement import DISPOSITIONS

WARN_DAYS = (7, 30)
"""How many days before its end a charter is named on every page of an administrator, the nearest first."""
RENEW_FOR = timedelta(days=30)
"""How long an expired agreement can still be renewed; then the relation ends."""
AFTER_EXPIRY = "purge-after-retention"
WATCH_EVERY = timedelta(minutes=5)
"""How often `watch` runs."""
TWO_HISTORIES = "This node was sent two signed histories of one log that differ."
"""For the people of both, when the node suspends by itself."""

logger = get_logger(__name__)

_RELATIONS = RELATION.c
_NOBODY = By("", "")


class Standing(Partners):
    """The use cases of pause and end."""

    def suspend(self, key: str, reason: str, language: str, by: By) -> Partner:
        """Nothing but control passes from now, both ways. `reason` is for the people of both, in `language`.

        Raises NoSuchPartner, NotTheStep.
        """
        say = lambda relation, work: ending.suspension(relation, reason, language, work, self._settings)  # noqa: E731
        return self._say(key, "relation.suspended", say, by)

    def resume(self, key: str, by: By) -> Partner:
        """Takes our suspension back. Raises NoSuchPartner, NotTheStep (it is theirs, or there is none)."""
        say = lambda relation, work: ending.resumption(relation, work, self._settings)  # noqa: E731
        return self._say(key, "relation.resumed", say, by)

    def end(
        self, key: str, *, on: date | None, disposition: str, reason: str, language: str, by: By
    ) -> Partner:
        """Gives notice: the agreement ends with this day, or now when it is None.

        Raises NoSuchPartner, NotTheStep, Invalid (`errors` by `on`, `disposition`, `reason`).
        """
        now = self._now()
        at = now if on is None else datetime.combine(on, time.max, UTC).replace(microsecond=0)
        if disposition not in DISPOSITIONS:
            raise _invalid("disposition", _("Say what happens to the data."))
        if at < now:
            raise _invalid("on", _("Choose a day that has not passed."))

        def say(relation: Relation, work: Work) -> Activity:
            if not reason and at < ending.earliest_end(relation, now):
                raise _invalid("reason", _("Sooner than the notice agreed on, it ends only with a reason."))
            return ending.termination(relation, at, disposition, reason, language, work, self._settings)

        if on is None:
            self._seal(self.partner(key).id)
        return self._say(key, "relation.notice", say, by, disposition=disposition)

    def guard(self, session: Session, node: str) -> None:
        """Suspends by itself, in the unit of work of `session`: this partner has signed two histories."""
        work = cast("exchange.NodeWork", self._ground.work(session))
        relation = work.peers.of_node(node)
        if relation is None or relation.state not in {State.IN_FORCE, State.SUSPENDED}:
            return
        if not relation.suspended_here:
            said = ending.suspension(relation, TWO_HISTORIES, "en", work, self._settings)
            messages.keep(session, self._ground, relation, said, said.id)
            self._record(session, "relation.suspended", _NOBODY, peer=node, subject=said.id)

    def watch(self) -> None:
        """What the calendar does: proposals that lapsed, ends that are near, ends that are here."""
        with self._ground.database.reading() as session:
            rows = session.execute(select(*_RELATIONS).where(_RELATIONS.ended_at.is_(None))).mappings().all()
        for seen in rows:
            if seen["ends"] and seen["ends"] <= rfc3339(self._now() + WATCH_EVERY):
                self._seal(seen["id"])
            if self._due(seen) is None:
                continue
            with exchange.open_work(self._ground) as work:
                row = records.by_id(work.session, seen["id"])
                due = None if row is None or row["ended_at"] is not None else self._due(row)
                if row is not None and due is not None:
                    due(row, work)

    def _due(self, row: Mapping[Any, Any]) -> Callable[[Mapping[Any, Any], exchange.NodeWork], None] | None:
        """What time has made true of this relation; None when nothing."""
        relation, now = records.relation_of(row), self._now()
        proposal, moment = relation.proposal, rfc3339(now)
        if proposal is not None and not proposal.accepted and proposal.ends <= moment:
            return self._lapse
        if relation.agreement is None:
            return None
        closes = datetime.fromisoformat(relation.agreement["endTime"])
        if relation.ends and relation.ends <= moment:
            return self._close
        if relation.state is State.EXPIRED:
            return self._close if closes + RENEW_FOR <= now else None
        if closes <= now:
            return self._expire
        days, warned = _warning(closes, now), row["warned_days"]
        return self._warn if days is not None and (warned is None or days < warned) else None

    def _seal(self, relation_id: int) -> None:
        """A last checkpoint while both still listen (PROTOCOL 2.a.7); one that can't be had delays no end."""
        try:
            histories.checkpoint(self._ground, str(relation_id))
        except EgressError as error:
            logger.info("relation.no-last-checkpoint", relation=relation_id, cause=str(error))

    def _lapse(self, row: Mapping[Any, Any], work: exchange.NodeWork) -> None:
        work.agreements.declined(records.relation_of(row), row["proposal_offer"])

    def _expire(self, row: Mapping[Any, Any], work: exchange.NodeWork) -> None:
        records.change(work.session, self._ground, row["id"], state=State.EXPIRED, warned_days=0)
        records.wake_lanes(work.session, self._ground, row["id"])
        self._record(work.session, "relation.expired", _NOBODY, peer=row["node"])

    def _close(self, row: Mapping[Any, Any], work: exchange.NodeWork) -> None:
        disposition, note = (row["disposition"], "notice") if row["ends"] else (AFTER_EXPIRY, "expired")
        records.end(work.session, self._ground, records.relation_of(row), disposition, note)
        self._record(work.session, "relation.ended", _NOBODY, peer=row["node"])

    def _warn(self, row: Mapping[Any, Any], work: exchange.NodeWork) -> None:
        closes = datetime.fromisoformat((records.relation_of(row).agreement or {})["endTime"])
        days = _warning(closes, self._now())
        records.change(work.session, self._ground, row["id"], warned_days=days)
        self._record(work.session, "relation.ends-soon", _NOBODY, peer=row["node"], days=str(days))

    def _say(
        self,
        key: str,
        action: str,
        say: Callable[[Relation, Work], Activity],
        by: By,
        **detail: str,
    ) -> Partner:
        with exchange.open_work(self._ground) as work:
            row = self._row(work.session, key)
            relation = records.relation_of(row)
            try:
                said = say(relation, work)
            except RemoteError as error:
                raise NotTheStep(row["state"]) from error
            messages.keep(work.session, self._ground, relation, said, said.id)
            self._record(
                work.session,
                action,
                by,
                peer=relation.node,
                subject=said.id,
                digest=relation.agreement_digest,
                **detail,
            )
            failpoints.hit("standing.said")
        self._send(row["id"])
        return self.partner(key)


def _warning(closes: datetime, now: datetime) -> int | None:
    """The nearest warning that has come: so many days before the end; None while it is far."""
    return next((days for days in WARN_DAYS if closes - now <= timedelta(days=days)), None)


def _invalid(field: str, sentence: Any) -> Invalid:
    return Invalid(sentence, field, errors={field: sentence})
