"""Relations as federation asks for them, and what the handshake writes (PROTOCOL 2.a).

Rule: every change is on record, and known to every process after the commit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from federation import charter, documents, ending, iris
from federation.activity import Activity, Document
from federation.errors import Forbidden, LocalError, OutOfScope
from federation.handshake import MAX_FAILURES
from federation.keys import PublicKey, is_published
from federation.ports import Invite, Relation, State
from node.core import ids
from node.core.audit import Act
from node.core.clock import rfc3339
from node.core.ground import Ground
from node.exchange import remote
from node.exchange import service as exchange
from node.relations import records
from node.relations.records import INVITE, RELATION, VERSION

MAX_APPROVERS = 10
MAX_ROLE_CHARS = 80


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

    def ended(self, origin: str) -> Relation | None:
        columns = RELATION.c
        query = select(*columns).where(
            columns.origin == origin, columns.ended_at.is_not(None), columns.agreement != ""
        )
        row = self._session.execute(query.order_by(columns.ended_at.desc()).limit(1)).mappings().first()
        return None if row is None else records.relation_of(row)

    def in_force(self) -> Sequence[Relation]:
        """The relations to which something may be delivered."""
        return self._known().in_force

    def live(self) -> Sequence[Relation]:
        """All relations that have not ended."""
        return tuple(self._known().by_node.values())

    def versions(self, relation: Relation) -> Sequence[tuple[Document, str, str]]:
        """Each agreement that holds or held, the oldest first, with the ids of its Offer and its Accept."""
        rows = self._session.execute(
            select(VERSION.c.document, VERSION.c.offer, VERSION.c.accept)
            .where(VERSION.c.relation_id == int(relation.id))
            .order_by(VERSION.c.id)
        )
        return [(documents.loads(row.document.encode()), row.offer, row.accept) for row in rows]

    def _known(self) -> records.Known:
        if self._seen is None or records.has_changed(self._session):
            self._seen = records.known(self._session, self._ground)
        return self._seen


class Handshakes:
    """Answers `federation.ports.Handshakes`."""

    def __init__(self, session: Session, ground: Ground) -> None:
        self._session = session
        self._ground = ground

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
        self._check_secret([key])
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
            "keys": records.kept_keys([key]),
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

    def rekeyed(self, relation: Relation, keys: Sequence[PublicKey]) -> None:
        self._check_secret(keys)
        records.change(self._session, self._ground, int(relation.id), keys=records.kept_keys(keys))
        self._note("key.changed-there", peer=relation.node, subject=keys[0].key_id)

    def revoked(self, relation: Relation, keys: Sequence[PublicKey], since: str) -> None:
        self._check_secret(keys)
        records.compare_anew(self._session, self._ground, int(relation.id), keys)
        remote.flag(self._session, self._ground, relation, datetime.fromisoformat(since))
        self._note("key.revoked-there", peer=relation.node, subject=keys[0].key_id)
        self._ground.events.publish(records.RevokedThere(relation.node), self._session)

    def _check_secret(self, keys: Sequence[PublicKey]) -> None:
        if any(is_published(key.raw) for key in keys) and not self._ground.settings.is_development:
            raise Forbidden("The secret of this key has been published.")

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

    def _note(self, action: str, peer: str = "", subject: str = "") -> None:
        self._ground.audit.append(self._session, Act(action, peer=peer, subject=subject))


class Agreements:
    """Answers `federation.ports.Agreements`."""

    def __init__(self, session: Session, ground: Ground) -> None:
        self._session = session
        self._ground = ground
        self._node = f"{ground.settings.origin}/actor"

    def offered(self, relation: Relation, offer: Activity, agreement: Document, digest: str) -> None:
        ours = offer.actor == self._node
        if not ours:
            _refuse_public(agreement)
        first: dict[str, Any] = {}
        if relation.agreement is None:
            first = {
                "state": State.OFFERED,
                "genesis": digest,
                "stream_in": charter.party(agreement, relation.node)["stream"],
                "stream_out": charter.party(agreement, self._node)["stream"],
            }
        self._change(
            relation,
            proposal=documents.dumps(agreement).decode(),
            proposal_digest=digest,
            proposal_offer=offer.id,
            proposal_ends=offer.document["endTime"],
            proposal_by_us=ours,
            proposal_accept="",
            proposed_at=self._ground.clock.now(),
            note="",
            **first,
        )
        self._note("relation.offered", relation, offer.id, digest)

    def accepted(self, relation: Relation, accept: Activity) -> None:
        self._change(relation, proposal_accept=accept.id)

    def in_force(self, relation: Relation, accept: Activity) -> Relation:
        proposal, now = relation.proposal, self._ground.clock.now()
        if proposal is None:
            raise LocalError("No agreement is on offer.")
        versions = VERSION.c
        self._session.execute(
            update(VERSION)
            .where(versions.relation_id == int(relation.id), versions.replaced_at.is_(None))
            .values(replaced_at=now)
        )
        incoming = charter.party(proposal.agreement, relation.node)["stream"]
        outgoing = charter.party(proposal.agreement, self._node)["stream"]
        goes_on = (incoming, outgoing) == (relation.stream_in, relation.stream_out)
        document = documents.dumps(proposal.agreement).decode()
        self._session.execute(
            insert(VERSION).values(
                relation_id=int(relation.id),
                version=proposal.agreement["version"],
                digest=proposal.digest,
                document=document,
                offer=proposal.offer,
                accept=accept.id,
                offered_by_us=proposal.by_us,
                approvers=json.dumps(_roles(accept.document.get("approvers")), ensure_ascii=False),
                in_force_at=now,
            )
        )
        changed = records.stand(
            self._session,
            self._ground,
            int(relation.id),
            agreement=document,
            agreement_digest=proposal.digest,
            genesis=relation.genesis if goes_on else proposal.digest,
            stream_in=incoming,
            stream_out=outgoing,
            offer=proposal.offer,
            accept=accept.id,
            offered_by_us=proposal.by_us,
            agreed_at=now,
            domains_checked_at=None,
            warned_days=None,
            note="",
            **records.NO_PROPOSAL,
        )
        self._note("relation.in-force", relation, accept.id, proposal.digest)
        work = cast("exchange.NodeWork", self._ground.work(self._session))
        exchange.agreed(work, changed)
        if not goes_on:
            exchange.resume(work, relation.id)
        self._ground.events.publish(records.Agreed(int(relation.id), relation.node), self._session)
        return changed

    def declined(self, relation: Relation, offer: str) -> None:
        values: dict[str, Any] = dict(records.NO_PROPOSAL)
        if relation.proposal is None and offer == relation.offer:  # our first Accept came too late
            values |= {"agreement": "", "agreement_digest": "", "offer": "", "accept": "", "agreed_at": None}
            values["state"] = State.VERIFIED
            self._session.execute(delete(VERSION).where(VERSION.c.relation_id == int(relation.id)))
        elif relation.agreement is None:
            values["state"] = State.VERIFIED
        self._change(relation, **values)
        records.wake_lanes(self._session, self._ground, int(relation.id))
        self._note("relation.offer-ended", relation, offer)

    def suspended(self, relation: Relation, said: Activity) -> None:
        side = "here" if said.actor == self._node else "there"
        why, language = ending.reason_of(said.object or {})
        values = {
            f"suspended_{side}_at": self._ground.clock.now(),
            f"suspended_{side}_why": why,
            f"suspended_{side}_language": language,
        }
        records.stand(self._session, self._ground, int(relation.id), **values)
        if side == "there":
            self._note("relation.suspended-there", relation, said.id, relation.agreement_digest)

    def resumed(self, relation: Relation, said: Activity) -> None:
        side = "here" if said.actor == self._node else "there"
        records.stand(self._session, self._ground, int(relation.id), **{f"suspended_{side}_at": None})
        if side == "there":
            self._note("relation.resumed-there", relation, said.id, relation.agreement_digest)

    def stopped(self, relation: Relation, said: Activity, spaces: Sequence[str]) -> Relation:
        side = "here" if said.actor == self._node else "there"
        changed = self._change(relation, **{f"stopped_{side}": json.dumps(sorted(set(spaces)))})
        event = records.SpacesStopped(relation.node, relation.stopped ^ changed.stopped)
        self._ground.events.publish(event, self._session)
        if side == "there":
            self._note("relation.spaces-stopped-there", relation, said.id, relation.agreement_digest)
        return changed

    def ends(self, relation: Relation, said: Activity) -> None:
        ours, document = said.actor == self._node, said.document
        why, language = ending.reason_of(document)
        changed = self._change(
            relation,
            ends=document["startTime"],
            ends_by_us=ours,
            ends_why=why,
            ends_language=language,
            noticed_at=self._ground.clock.now(),
            disposition=document["disposition"],
            **records.NO_PROPOSAL,
        )
        if not ours:
            self._note("relation.notice-there", relation, said.id, relation.agreement_digest)
        if changed.ends <= rfc3339(self._ground.clock.now()):
            records.end(self._session, self._ground, changed, document["disposition"], "notice")
            self._note("relation.ended", relation, said.id, relation.agreement_digest)

    def version(self, relation: Relation, digest: str) -> Document | None:
        columns = VERSION.c
        kept = self._session.scalar(
            select(columns.document).where(columns.relation_id == int(relation.id), columns.digest == digest)
        )
        document: Document | None = json.loads(kept) if kept else None
        return document

    def _change(self, relation: Relation, **values: Any) -> Relation:
        return records.change(self._session, self._ground, int(relation.id), **values)

    def _note(self, action: str, relation: Relation, subject: str, digest: str = "") -> None:
        act = Act(action, peer=relation.node, subject=subject, digest=digest)
        self._ground.audit.append(self._session, act)


def _short(invite_id: str) -> str:
    return invite_id.rpartition("/")[2]


def _roles(approvers: object) -> list[str]:
    """Who decided, as an Accept says it: evidence that nobody checks, so no more of it is kept than can be shown."""
    named = approvers if isinstance(approvers, list) else []
    return [each[:MAX_ROLE_CHARS] for each in named[:MAX_APPROVERS] if isinstance(each, str)]


def _refuse_public(agreement: Document) -> None:
    """What this version cannot hold is refused, instead of agreed to and forgotten.

    Raises OutOfScope.
    """
    if agreement["scope"]["publicAddressing"] != "forbidden":
        raise OutOfScope("This node never addresses the public.")
