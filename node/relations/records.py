"""Relations as rows and as the wire needs them; what this process remembers of them.

Rule: what is remembered is dropped when a relation changes, here at once and in other processes by a wake-up
(net: `KEPT_S`); a unit of work that changed one reads the tables. Source: PROTOCOL 2.a.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from federation import multikey
from federation.activity import Document
from federation.keys import PublicKey
from federation.ports import Proposal, Relation, State
from node.core import events
from node.core.db import Database, table_of
from node.core.ground import Ground
from node.core.values import value
from node.core.wake import POLL_S, Token
from node.relations import tables

CHANGED = "relations"
"""Channel: some relation has changed."""
LANES = "lanes"
"""Channel: a relation came into force, was suspended, or ended."""
KEPT_S = POLL_S
HUES = 8

_CHANGED_HERE = "parvis.relations.changed"
RELATION = table_of(tables.Relation)
INVITE = table_of(tables.Invite)
MESSAGE = table_of(tables.Message)
VERSION = table_of(tables.AgreementVersion)

_COLUMNS = RELATION.c
_LIVE = select(*_COLUMNS).where(_COLUMNS.ended_at.is_(None)).order_by(_COLUMNS.id)


@value
class Introduced:
    """Event: a relation began; its node actor is still to be read."""

    relation_id: int


@value
class RelationEnded:
    """Event: a relation under an agreement has ended. `disposition` as PROTOCOL 2.a.7 names it."""

    relation_id: str
    node: str
    agreement: Document
    agreement_digest: str
    disposition: str
    at: datetime


@value
class RevokedThere:
    """Event: a partner's node has revoked a key; nothing passes until both have compared the new one."""

    node: str


@value
class Resumed:
    """Event: a relation that was suspended is in force again."""

    node: str


@value
class Agreed:
    """Event: a version of the agreement with this node came into force."""

    relation_id: int
    node: str


@value
class SpacesStopped:
    """Event: one side has stopped spaces (IRIs) with this node, or lets them go on."""

    node: str
    spaces: frozenset[str]


@value
class Known:
    """The live relations at one moment."""

    by_node: Mapping[str, Relation]
    by_origin: Mapping[str, Relation]
    in_force: tuple[Relation, ...]


def relation_of(row: Mapping[Any, Any]) -> Relation:
    """The relation of a row of the table."""
    node = row["node"]
    return Relation(
        id=str(row["id"]),
        node=node,
        name=row["name"],
        state=State(row["state"]),
        keys=tuple(
            PublicKey(name, multikey.decode(key), expires=end) for name, key, end in json.loads(row["keys"])
        ),
        inbox=row["inbox"],
        exchange=row["exchange"],
        invite=row["invite"],
        stream_in=row["stream_in"],
        stream_out=row["stream_out"],
        genesis=row["genesis"],
        agreement=json.loads(row["agreement"]) if row["agreement"] else None,
        agreement_digest=row["agreement_digest"],
        offer=row["offer"],
        accept=row["accept"],
        offered_by_us=row["offered_by_us"],
        proposal=_proposal(row),
        suspended_here=row["suspended_here_at"] is not None,
        suspended_there=row["suspended_there_at"] is not None,
        ends=row["ends"],
        stopped_here=frozenset(json.loads(row["stopped_here"])),
        stopped_there=frozenset(json.loads(row["stopped_there"])),
        proven=frozenset(json.loads(row["proven"])),
        confirmed_here=row["confirmed_here_at"] is not None,
        confirmed_there=row["confirmed_there_at"] is not None,
        recompare=bool(row["agreement"]) and None in (row["confirmed_here_at"], row["confirmed_there_at"]),
    )


def kept_keys(keys: Iterable[PublicKey]) -> str:
    """The keys of a partner's node as the table has them: JSON, of each its id, Multikey and end (null: none yet)."""
    return json.dumps([[key.key_id, key.multibase, key.expires] for key in keys])


def _proposal(row: Mapping[Any, Any]) -> Proposal | None:
    if not row["proposal"]:
        return None
    return Proposal(
        offer=row["proposal_offer"],
        agreement=json.loads(row["proposal"]),
        digest=row["proposal_digest"],
        ends=row["proposal_ends"],
        by_us=row["proposal_by_us"],
        accepted=bool(row["proposal_accept"]),
    )


NO_PROPOSAL: Mapping[str, Any] = {
    "proposal": "",
    "proposal_digest": "",
    "proposal_offer": "",
    "proposal_ends": "",
    "proposal_by_us": False,
    "proposal_accept": "",
    "proposed_at": None,
}
"""The columns of a relation on which nothing is on offer."""


def by_id(session: Session, relation_id: int) -> Mapping[Any, Any] | None:
    """The row with this id, live or ended."""
    return session.execute(select(*_COLUMNS).where(_COLUMNS.id == relation_id)).mappings().first()


def live(session: Session, node: str) -> Mapping[Any, Any] | None:
    """The row of the live relation with this node actor."""
    return session.execute(_LIVE.where(_COLUMNS.node == node)).mappings().first()


def has_changed(session: Session) -> bool:
    """Whether this unit of work has written a relation."""
    return _CHANGED_HERE in session.info


def known(session: Session, ground: Ground) -> Known:
    """The live relations as `session` must see them."""
    if has_changed(session):
        return _read(session)
    return _directory(ground).known()


def change(session: Session, ground: Ground, relation_id: int, **values: Any) -> Relation:
    """Writes these columns of a relation; answers it as it is then."""
    now = ground.clock.now()
    session.execute(
        update(RELATION)
        .where(_COLUMNS.id == relation_id)
        .values(version=_COLUMNS.version + 1, changed_at=now, **values)
    )
    changed(session, ground, relation_id)
    row = by_id(session, relation_id)
    assert row is not None  # noqa: S101 -- the caller has the relation
    return relation_of(row)


def confirm(session: Session, ground: Ground, relation_id: int, **values: Any) -> Relation:
    """Writes the confirmation of one side; with both the relation is verified and has its colour for life."""
    confirmed = change(session, ground, relation_id, **values)
    both = confirmed.confirmed_here and confirmed.confirmed_there
    if not both or confirmed.state is not State.KEYS_EXCHANGED:
        wake_lanes(session, ground, relation_id)  # what waited for the comparison of a new key goes on
        return confirmed
    coloured = session.scalar(select(func.count()).select_from(RELATION).where(_COLUMNS.hue.is_not(None)))
    return change(session, ground, relation_id, state=State.VERIFIED, hue=(coloured or 0) % HUES + 1)


def compare_anew(
    session: Session, ground: Ground, relation_id: int, keys: Iterable[PublicKey] | None = None
) -> Relation:
    """A node key was revoked, ours or theirs (then `keys` are what is left): neither side has confirmed any more."""
    values: dict[str, Any] = {"confirmed_here_at": None, "confirmed_there_at": None}
    if keys is not None:
        values["keys"] = kept_keys(keys)
    written = change(session, ground, relation_id, **values)
    if written.agreement is None:
        written = change(session, ground, relation_id, state=State.KEYS_EXCHANGED)
    wake_lanes(session, ground, relation_id)
    return written


def stand(session: Session, ground: Ground, relation_id: int, **values: Any) -> Relation:
    """Writes these columns of a relation under an agreement: in force, or suspended while one of the two says so."""
    written = change(session, ground, relation_id, **values)
    suspended = written.suspended_here or written.suspended_there
    state = State.SUSPENDED if suspended else State.IN_FORCE
    if written.state is not state:
        was, written = written.state, change(session, ground, relation_id, state=state)
        if was is State.SUSPENDED:
            ground.events.publish(Resumed(written.node), session)
    wake_lanes(session, ground, relation_id)
    return written


def end(session: Session, ground: Ground, relation: Relation, disposition: str, note: str = "") -> None:
    """Ends a relation under an agreement, and tells those who keep what came of it."""
    now = ground.clock.now()
    change(
        session,
        ground,
        int(relation.id),
        state=State.TERMINATED,
        ended_at=now,
        note=note,
        disposition=disposition,
        **NO_PROPOSAL,
    )
    wake_lanes(session, ground, int(relation.id))
    session.execute(
        update(VERSION)
        .where(VERSION.c.relation_id == int(relation.id), VERSION.c.replaced_at.is_(None))
        .values(replaced_at=now)
    )
    event = RelationEnded(
        relation.id, relation.node, relation.agreement or {}, relation.agreement_digest, disposition, now
    )
    ground.events.publish(event, session)


def changed(session: Session, ground: Ground, relation_id: int) -> None:
    """Notes that a relation was written: forgotten everywhere after the commit."""
    session.info[_CHANGED_HERE] = True
    events.after_commit(session, _directory(ground).forget)
    events.after_commit(session, lambda: ground.wake.notify(CHANGED, f"relation:{relation_id}"))


def wake_lanes(session: Session, ground: Ground, relation_id: int) -> None:
    """Tells delivery, after the commit, that a relation came into force or ended."""
    events.after_commit(session, lambda: ground.wake.notify(LANES, f"lane:{relation_id}"))


class _Directory:
    """What one process remembers of the relations of one database."""

    def __init__(self, ground: Ground) -> None:
        self._database = ground.database
        self._wake = ground.wake
        self._kept: tuple[Token, float, Known] | None = None

    def known(self) -> Known:
        kept = self._kept
        if kept is not None:
            token, until, found = kept
            if time.monotonic() < until and self._wake.wait(CHANGED, timeout=0, since=token) is None:
                return found
        token = self._wake.token()  # before reading: what changes meanwhile is noticed
        with self._database.reading() as fresh:  # the caller's snapshot may be older than the token
            found = _read(fresh)
        self._kept = (token, time.monotonic() + KEPT_S, found)
        return found

    def forget(self) -> None:
        self._kept = None


def _read(session: Session) -> Known:
    relations = [relation_of(row) for row in session.execute(_LIVE).mappings()]
    return Known(
        {each.node: each for each in relations},
        {_origin(each.node): each for each in relations},
        tuple(each for each in relations if each.state is State.IN_FORCE and not each.recompare),
    )


def _origin(node: str) -> str:
    return "/".join(node.split("/", 3)[:3])


GROUNDS_KEPT = 8  # a process has one; a test of several nodes has a few

_directories: dict[Database, _Directory] = {}
_making = threading.Lock()


def _directory(ground: Ground) -> _Directory:
    found = _directories.get(ground.database)
    if found is None:
        with _making:
            while len(_directories) >= GROUNDS_KEPT:
                del _directories[next(iter(_directories))]
            found = _directories.setdefault(ground.database, _Directory(ground))
    return found
