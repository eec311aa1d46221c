"""Relations as federation asks for them, and what the handshake writes (PROTOCOL 2.a).

Rule: every change is on record, and known to every process after the commit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from federation import charter, documents, iris
from federation.activity import Activity, Document
from federation.errors import Forbidden, OutOfScope
from federation.handshake import MAX_FAILURES
from federation.keys import PublicKey, is_published
from federation.ports import Invite, Relation, State
from node.core import ids
from node.core.audit import Act
from node.core.clock import rfc3339
from node.core.ground import Ground
from node.relations import records
from node.relations.records import INVITE, RELATION


class Peers:
    """Answers `federation.ports.Peers`: one look a unit of work, a new one after each change in it."""

    def __init__(self, session: Session, ground: Ground) -> None:
        self._session = session
        self._ground = ground
        self._seen: records.Known | None = None

    def of_origin(self, origin: str) -> Relation | None:
        return self._known().by_origin.get(origin)

    def of_node(self, node: str) -> Relation | None:
        return self._known().by_node.get(node)

    def in_force(self) -> Sequence[Relation]:
        """The relations to which something may be delivered."""
        return self._known().in_force

    def _known(self) -> records.Known:
        if self._seen is None or records.has_changed(self._session):
            self._seen = records.known(self._session, self._ground)
        return self._seen


class Handshakes:
    """Answers `federation.ports.Handshakes`."""

    def __init__(self, session: Session, ground: Ground) -> None:
        self._session = session
        self._ground = ground

    @cached_property
    def _node(self) -> str:
        return f"{self._ground.settings.origin}/actor"

    def invite(self, invite_id: str) -> Invite | None:
        row = self._invite(invite_id)
        if row is None or row["cancelled_at"] is not None:
            return None
        sealed = row["sealed_token"]
        return Invite(
            id=invite_id,
            token=self._ground.vault.open(sealed, f"invite {row['short']}") if sealed else b"",
            expires=rfc3339(row["expires_at"]),
            used=row["used_at"] is not None,
            failures=row["failures"],
            expected_host=row["expected_host"] or None,
        )

    def use_invite(self, invite_id: str) -> bool:
        used = self._session.execute(
            update(INVITE)
            .where(INVITE.c.short == _short(invite_id), INVITE.c.used_at.is_(None))
            .values(used_at=self._ground.clock.now(), sealed_token=None)
        )
        return bool(used.rowcount)  # type: ignore[attr-defined]  # a CursorResult, for an UPDATE

    def fail_invite(self, invite_id: str) -> None:
        failures = self._session.scalar(
            update(INVITE)
            .where(INVITE.c.short == _short(invite_id))
            .values(failures=INVITE.c.failures + 1)
            .returning(INVITE.c.failures)
        )
        if failures is not None and failures >= MAX_FAILURES:
            self._session.execute(
                update(INVITE).where(INVITE.c.short == _short(invite_id)).values(sealed_token=None)
            )
            self._note("invite.burnt", subject=invite_id)

    def introduce(self, node: str, key: PublicKey, invite: str) -> None:
        if is_published(key.raw) and not self._ground.settings.is_development:
            raise Forbidden("The secret of this key has been published.")
        origin = iris.origin(node)
        if origin == self._ground.settings.origin:
            raise Forbidden("This is our own node.")
        now = self._ground.clock.now()
        self._end_former(origin)
        ours = self._invite(invite)
        row: dict[str, Any] = {
            "key": ours["key"] if ours else ids.wire_id(),
            "node": node,
            "origin": origin,
            "name": origin.partition("://")[2],
            "state": State.KEYS_EXCHANGED,
            "keys": json.dumps([key.multibase]),
            "inbox": f"{node}/inbox",
            "exchange": f"{origin}/exchange",
            "invite": invite,
            "invited_by_us": ours is not None,
            "purpose": ours["purpose"] if ours else "",
            "contract": ours["contract"] if ours else "",
            "created_at": now,
            "changed_at": now,
        }
        relation_id = self._session.scalar(insert(RELATION).values(row).returning(RELATION.c.id))
        assert relation_id is not None  # noqa: S101 -- an INSERT gives its key
        records.changed(self._session, self._ground, relation_id)
        self._note("relation.introduced", peer=node, subject=invite)
        self._ground.events.publish(records.Introduced(relation_id), self._session)

    def confirmed_there(self, relation: Relation) -> None:
        row = records.live(self._session, relation.node)
        if row is None or row["confirmed_there_at"] is not None:
            return
        now = self._ground.clock.now()
        records.confirm(self._session, self._ground, row["id"], confirmed_there_at=now)
        self._note("relation.confirmed-there", peer=relation.node)

    def offered(self, relation: Relation, offer: Activity, agreement: Document, digest: str) -> None:
        ours = offer.actor == self._node
        if not ours:
            _refuse_demands(agreement)
        records.change(
            self._session,
            self._ground,
            int(relation.id),
            state=State.OFFERED,
            offer=offer.id,
            offer_ends=offer.document["endTime"],
            offered_by_us=ours,
            offered_at=self._ground.clock.now(),
            agreement=documents.dumps(agreement).decode(),
            agreement_digest=digest,
            stream_in=charter.party(agreement, relation.node)["stream"],
            stream_out=charter.party(agreement, self._node)["stream"],
            note="",
        )
        self._note("relation.offered", peer=relation.node, subject=offer.id, digest=digest)

    def in_force(self, relation: Relation, accept: Activity) -> Relation:
        now = self._ground.clock.now()
        changed = records.change(
            self._session, self._ground, int(relation.id), state=State.IN_FORCE, agreed_at=now, note=""
        )
        records.wake_lanes(self._session, self._ground, int(relation.id))
        digest = relation.agreement_digest
        self._note("relation.in-force", peer=relation.node, subject=accept.id, digest=digest)
        return changed

    def declined(self, relation: Relation, offer: str) -> None:
        records.change(
            self._session, self._ground, int(relation.id), state=State.VERIFIED, offer="", agreed_at=None
        )
        records.wake_lanes(self._session, self._ground, int(relation.id))
        self._note("relation.offer-ended", peer=relation.node, subject=offer)

    def _end_former(self, origin: str) -> None:
        """Whoever never got beyond the exchange of keys gives way to a new invitation; nobody else does."""
        former = records.known(self._session, self._ground).by_origin.get(origin)
        if former is None:
            return
        if former.state is not State.KEYS_EXCHANGED:
            raise Forbidden("There is a relation with this node already.")
        now = self._ground.clock.now()
        records.change(
            self._session,
            self._ground,
            int(former.id),
            state=State.TERMINATED,
            ended_at=now,
            note="superseded",
        )

    def _invite(self, invite_id: str) -> Any:
        if not invite_id.startswith(f"{self._ground.settings.origin}/peering/invites/"):
            return None
        columns = INVITE.c
        query = select(*columns).where(columns.short == _short(invite_id))
        return self._session.execute(query).mappings().first()

    def _note(self, action: str, peer: str = "", subject: str = "", digest: str = "") -> None:
        self._ground.audit.append(self._session, Act(action, peer=peer, subject=subject, digest=digest))


def _short(invite_id: str) -> str:
    return invite_id.rpartition("/")[2]


def _refuse_demands(agreement: Document) -> None:
    """What this version cannot hold is refused, instead of agreed to and forgotten.

    Raises OutOfScope.
    """
    identity = agreement["identity"]
    if identity["minAcr"] or identity["maxAuthAge"] is not None or identity["emailDomains"] != "none":
        raise OutOfScope("This node cannot yet hold demands on how people sign in (`identity`).")
    if agreement["scope"]["publicAddressing"] != "forbidden":
        raise OutOfScope("This node never addresses the public.")
    if agreement["version"] != 1 or agreement["previousVersion"] is not None:
        raise OutOfScope("The first agreement of a relation has version 1.")
