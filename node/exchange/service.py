"""The exchange as other capabilities use it: units of work, publishing, the way out, and how delivery stands.

Rule: nobody else opens a unit of work in which something is said or received, because on PostgreSQL it takes its
turn here, as the write lock of SQLite gives it: chains have one writer and a space has no hole in its `rev`.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol, cast

from sqlalchemy import delete, func, insert, or_, select, text, update
from sqlalchemy.orm import Session

from federation import ending, limits, outbox, rekeying, signatures
from federation.activity import Activity, Document
from federation.adapters.egress import Egress, ListName
from federation.authn import SignIn
from federation.errors import NotFound
from federation.http import Headers, Request, Response
from federation.ports import Relation, State, Work
from federation.service import ACTIVITY_TYPE, Federation
from federation.settings import Settings
from node.core import events, failpoints
from node.core.audit import ADVISORY_LOCK
from node.core.db import Database, table_of
from node.core.ground import Ground
from node.core.values import value
from node.exchange import tables
from node.exchange.memory import memory_of
from node.exchange.unit import ACTIVITY, LANE, OUT_ENTRY, STREAM, whole

OK = 200
LATE = timedelta(seconds=60)
GROUNDS_KEPT = 8  # a process has one; a test of several nodes has a few
TAKEN = table_of(tables.Taken)
HELD = table_of(tables.HeldLine)

MarkState = Literal["queued", "late", "unconfirmed", "delivered", "refused"]


class NodeWork(Work, Protocol):
    """A unit of work with the session under it."""

    @property
    def session(self) -> Session: ...

    @property
    def ground(self) -> Ground: ...


@value
class Handle:
    """What a process makes once for a ground."""

    settings: Settings
    federation: Federation
    egress: Egress


@value
class Acknowledged:
    """Event: a partner has receipted our entries `first` to `last`."""

    relation_id: str
    first: int
    last: int


@value
class Mark:
    """Where an activity of ours stands at one partner; `problem` and its sentence `reason` when it was refused."""

    relation_id: str
    state: MarkState
    at: datetime | None
    reason: str = ""
    problem: Mapping[str, Any] = field(default_factory=dict)


@value
class Health:
    """How the exchange with one partner runs.

    `queued` entries of ours are not receipted, the `oldest` since then; `since`: away since; `skew_s`: how far
    the partner's clock is before ours; `unconfirmed`: an entry has had no final receipt for longer than agreed,
    since then; `held` lines of the partner's wait for us, `quarantined` were given up.
    """

    state: str = "open"
    queued: int = 0
    oldest: datetime | None = None
    last_out: datetime | None = None
    last_in: datetime | None = None
    failures: int = 0
    since: datetime | None = None
    next_attempt: datetime | None = None
    reason: str = ""
    skew_s: int | None = None
    disputed: datetime | None = None
    unconfirmed: datetime | None = None
    held: int = 0
    quarantined: int = 0


_handles: dict[Database, Handle] = {}
_making = threading.Lock()


def settings_of(ground: Ground) -> Settings:
    """What this node says of itself to the library."""
    return _handle(ground).settings


def federation_of(ground: Ground) -> Federation:
    """The library, bound to this node."""
    return _handle(ground).federation


def egress_of(ground: Ground) -> Egress:
    """The way out to partners; list `peers`: those with whom an agreement is in force, or suspended."""
    return _handle(ground).egress


@contextmanager
def open_work(ground: Ground) -> Iterator[NodeWork]:
    """One unit of work for saying or receiving: commits on a clean exit, else rolls back."""
    with ground.database.writing() as session:
        if not ground.database.is_sqlite:
            session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
        yield cast("NodeWork", ground.work(session))


@contextmanager
def open_reading(ground: Ground) -> Iterator[NodeWork]:
    """One unit of work that only reads, on one snapshot."""
    with ground.database.reading() as session:
        yield cast("NodeWork", ground.work(session))


def in_force(work: Work) -> Sequence[Relation]:
    """The relations whose agreement is in force, as the capability below `wire` that keeps them answers."""
    peers: Any = work.peers
    relations: Sequence[Relation] = peers.in_force()
    return relations


def live(work: Work) -> Sequence[Relation]:
    """The relations that have not ended, whatever their state."""
    peers: Any = work.peers
    relations: Sequence[Relation] = peers.live()
    return relations


def ended(work: Work, origin: str) -> Relation | None:
    """The last relation with the node at `origin` that ended, while its data is accounted for."""
    found = work.peers.ended(origin)
    return found if found is not None and work.now <= ending.accounts_until(found) else None


def versions(work: Work, relation: Relation) -> Sequence[tuple[Document, str, str]]:
    """Each agreement that holds or held with this partner, the oldest first, with the ids of its Offer and Accept."""
    peers: Any = work.peers
    found: Sequence[tuple[Document, str, str]] = peers.versions(relation)
    return found


def publish(
    ground: Ground, work: Work, document: Document, actor: str, sign_in: SignIn | None = None
) -> Activity:
    """Say something in a space. See `federation.outbox.publish`."""
    return outbox.publish(document, actor, work, settings_of(ground), failpoints.hit, sign_in)


def tell(
    ground: Ground,
    work: Work,
    relation: Relation,
    document: Document,
    actor: str,
    sign_in: SignIn | None = None,
) -> Activity:
    """Say something to one partner. See `federation.outbox.tell`."""
    return outbox.tell(relation, document, actor, work, settings_of(ground), sign_in)


def backfill(
    ground: Ground, work: Work, relation: Relation, space: str, announces: Iterable[tuple[Activity, str]]
) -> int:
    """Append past Announces (each with the author of what it wraps), oldest first; how many."""
    return outbox.backfill(relation, space, announces, work, settings_of(ground))


def erase_held(session: Session, about: str) -> None:
    """Lines about this object that were given up go; those still to be tried come before whatever deletes it."""
    session.execute(delete(HELD).where(HELD.c.about == about, HELD.c.quarantined_at.is_not(None)))


def fetch(
    ground: Ground,
    relation: Relation,
    url: str,
    max_bytes: int = limits.MAX_JSON_ANSWER_BYTES,
    **options: Any,
) -> Response:
    """A GET signed by our node, to a partner. `options` as `Egress.get` takes them.

    Raises EgressError; ValueError for a URL that is not on the partner's origin.
    """
    request = _asking(ground, relation, url)
    return egress_of(ground).get("peers", request, max_bytes=max_bytes, **options)


def fetch_proved(
    ground: Ground, relation: Relation, url: str, max_bytes: int = limits.MAX_JSON_ANSWER_BYTES
) -> Response:
    """As `fetch`, and the partner's node has signed that this is its answer.

    Raises EgressError; NotFound for any status but 200; Unauthentic, ClockSkew when nothing proves the answer.
    """
    request = _asking(ground, relation, url)
    response = egress_of(ground).get("peers", request, max_bytes=max_bytes)
    if response.status != OK:
        raise NotFound(f"The partner answered {response.status}.")
    now = ground.clock.now()
    key = rekeying.node_key(relation, signatures.key_id_of(response), now)
    signatures.verify_response(response, request, key, int(now.timestamp()))
    return response


def post_single(ground: Ground, relation: Relation, said: Activity) -> tuple[Request, Response]:
    """Posts an activity of our node to the partner's node inbox, at once and once; what was asked and answered.

    Raises EgressError.
    """
    unsigned = Request("POST", relation.inbox, Headers((("Content-Type", ACTIVITY_TYPE),)), said.raw)
    request = _signed(ground, unsigned)
    return request, egress_of(ground).post("peers", request)


def _asking(ground: Ground, relation: Relation, url: str) -> Request:
    if not url.startswith(f"{relation.node.rpartition('/')[0]}/"):
        raise ValueError(f"{url} is not on the origin of {relation.node}.")
    accepts = ("Accept", "application/activity+json, application/x-ndjson, */*")
    return _signed(ground, Request("GET", url, Headers((accepts,))))


def _signed(ground: Ground, request: Request) -> Request:
    with open_reading(ground) as work:
        key = work.actors.signer(settings_of(ground).node)
        created = int(work.now.timestamp())
    return signatures.sign_request(request, key, created=created, nonce=secrets.token_urlsafe(16))


def agreed(work: NodeWork, relation: Relation) -> None:
    """A version of the agreement is in force: from now a receipt is late by what it says."""
    receipt_s = (relation.agreement or {})["evidence"]["receiptSeconds"]
    wanted = LANE.c.relation == relation.id
    if (
        work.session.scalar(update(LANE).where(wanted).values(receipt_s=receipt_s).returning(LANE.c.id))
        is None
    ):
        row = {"relation": relation.id, "node": relation.node, "receipt_s": receipt_s}
        work.session.execute(insert(LANE), row)


def resume(work: NodeWork, relation_id: str) -> None:
    """An admin wants all to be tried again at once: delivery, whatever stopped it; held lines, given up or not."""
    session, wake = work.session, work.ground.wake
    session.execute(
        update(LANE)
        .where(LANE.c.relation == relation_id)
        .values(state="open", failures=0, since=None, next_attempt=None, reason="")
    )
    streams = select(STREAM.c.id).join(LANE).where(LANE.c.relation == relation_id)
    session.execute(
        update(HELD)
        .where(HELD.c.stream_id.in_(streams))
        .values(quarantined_at=None, tries=0, next_try=work.now)
    )
    events.after_commit(session, lambda: wake.notify(f"resume:{relation_id}"))


def marks(
    session: Session, activity_iris: Sequence[str], now: datetime | None = None
) -> dict[str, list[Mark]]:
    """Where activities of ours stand at each partner that must have them, alone or inside an Announce."""
    named = select(ACTIVITY.c.id, ACTIVITY.c.iri).where(ACTIVITY.c.iri.in_(activity_iris)).cte("named")
    wrapped = select(ACTIVITY.c.id, named.c.iri).join(named, ACTIVITY.c.inside_id == named.c.id)
    said = select(named.c.id, named.c.iri).union_all(wrapped).cte("said")
    received_at = (
        select(TAKEN.c.at)
        .where(TAKEN.c.stream_id == OUT_ENTRY.c.stream_id, TAKEN.c.last >= OUT_ENTRY.c.seq)
        .order_by(TAKEN.c.last)
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(
        select(
            said.c.iri,
            LANE.c.relation,
            LANE.c.since,
            LANE.c.receipt_s,
            OUT_ENTRY.c.time,
            OUT_ENTRY.c.problem,
            OUT_ENTRY.c.late,
            (OUT_ENTRY.c.seq <= STREAM.c.acknowledged).label("acknowledged"),
            received_at.label("received_at"),
        )
        .join_from(said, OUT_ENTRY, OUT_ENTRY.c.activity_id == said.c.id)
        .join(STREAM, STREAM.c.id == OUT_ENTRY.c.stream_id)
        .join(LANE, LANE.c.id == STREAM.c.lane_id)
        .order_by(OUT_ENTRY.c.stream_id, OUT_ENTRY.c.seq)
    )
    moment = now or datetime.now(UTC)
    latest: dict[tuple[str, str], Mark] = {(row.iri, row.relation): _mark(row, moment) for row in rows}
    found: dict[str, list[Mark]] = {iri: [] for iri in activity_iris}
    for (iri, _), mark in latest.items():
        found[iri].append(mark)
    return found


def said_to(session: Session, relation_id: str, activity_iri: str) -> bytes | None:
    """The bytes of an activity that our log to this partner has, alone or inside an Announce; None for any other, and
    for what was refused, as it may never have left.
    """
    inner = ACTIVITY.alias("inside")
    wrapper = ACTIVITY.alias("wrapper")
    # Correlated by name: two levels down, SQLAlchemy would take any wrapper of any activity.
    wrappers = select(wrapper.c.id).where(wrapper.c.inside_id == ACTIVITY.c.id).correlate(ACTIVITY)
    in_log = (
        select(OUT_ENTRY.c.seq)
        .join_from(OUT_ENTRY, STREAM, STREAM.c.id == OUT_ENTRY.c.stream_id)
        .join(LANE, LANE.c.id == STREAM.c.lane_id)
        .where(
            LANE.c.relation == relation_id,
            OUT_ENTRY.c.problem.is_(None),
            or_(OUT_ENTRY.c.activity_id == ACTIVITY.c.id, OUT_ENTRY.c.activity_id.in_(wrappers)),
        )
        .exists()
    )
    row = session.execute(
        select(ACTIVITY.c.raw, ACTIVITY.c.suffix, inner.c.raw.label("inner"))
        .select_from(ACTIVITY.outerjoin(inner, inner.c.id == ACTIVITY.c.inside_id))
        .where(ACTIVITY.c.iri == activity_iri, in_log)
    ).first()
    return (whole(row.raw, row.inner, row.suffix) or None) if row is not None else None


def health(session: Session, relation_id: str, now: datetime | None = None) -> Health:
    """How the exchange with a partner runs; the defaults while nothing was ever sent or taken."""
    lane = session.execute(select(LANE).where(LANE.c.relation == relation_id)).mappings().first()
    if lane is None:
        return Health()
    streams = session.execute(
        select(STREAM).where(STREAM.c.lane_id == lane["id"]).order_by(STREAM.c.id)
    ).mappings()
    directions = {stream["ours"]: stream for stream in streams}  # the newest of each direction
    ours, theirs = directions.get(True), directions.get(False)
    oldest = held_there = None
    if ours is not None:
        of_ours = select(func.min(OUT_ENTRY.c.time)).where(OUT_ENTRY.c.stream_id == ours["id"])
        oldest, held_there = session.execute(
            select(
                of_ours.where(OUT_ENTRY.c.seq == ours["acknowledged"] + 1).scalar_subquery(),
                of_ours.where(OUT_ENTRY.c.late.is_not(None), OUT_ENTRY.c.late == "").scalar_subquery(),
            )
        ).one()
    held = quarantined = 0
    if theirs is not None:
        held, quarantined = session.execute(
            select(func.count() - func.count(HELD.c.quarantined_at), func.count(HELD.c.quarantined_at)).where(
                HELD.c.stream_id == theirs["id"]
            )
        ).one()
    return Health(
        state=lane["state"],
        queued=0 if ours is None else ours["seq"] - ours["acknowledged"],
        oldest=None if oldest is None else datetime.fromisoformat(oldest),
        last_out=None if ours is None else ours["at"],
        last_in=None if theirs is None else theirs["at"],
        failures=lane["failures"],
        since=lane["since"],
        next_attempt=lane["next_attempt"],
        reason=lane["reason"],
        skew_s=lane["skew_s"],
        disputed=min(
            (each["disputed_at"] for each in directions.values() if each["disputed_at"]), default=None
        ),
        unconfirmed=_unconfirmed((oldest, held_there), timedelta(seconds=lane["receipt_s"]), now),
        held=held,
        quarantined=quarantined,
    )


def _unconfirmed(waiting: Iterable[str | None], agreed: timedelta, now: datetime | None) -> datetime | None:
    since = min((datetime.fromisoformat(each) for each in waiting if each is not None), default=None)
    return since if since is not None and (now or datetime.now(UTC)) - since >= agreed else None


def _mark(row: Any, now: datetime) -> Mark:
    if row.problem is not None:
        problem = json.loads(row.problem)
        reason = str(problem.get("detail") or problem.get("title") or "")
        return Mark(row.relation, "refused", row.received_at, reason, problem)
    if row.acknowledged and row.late != "":  # empty: the partner holds it to try it again
        return Mark(row.relation, "delivered", row.received_at)
    appended = datetime.fromisoformat(row.time)
    if now - appended >= timedelta(seconds=row.receipt_s):
        return Mark(row.relation, "unconfirmed", appended)
    away = row.since is not None and now - row.since >= LATE
    return Mark(row.relation, "late" if away else "queued", appended)


def _handle(ground: Ground) -> Handle:
    with _making:
        handle = _handles.get(ground.database)
        if handle is None:
            while len(_handles) >= GROUNDS_KEPT:
                del _handles[next(iter(_handles))]
            handle = _handles[ground.database] = _made(ground)
        return handle


def _is_unmet(ground: Ground, node: str) -> bool:
    """Whether what this partner says waits; then its lane says hello at once."""
    waits = memory_of(ground).awaits(node)
    if waits:
        ground.wake.notify(f"alive:{node}")
    return waits


def _made(ground: Ground) -> Handle:
    chosen = ground.settings
    settings = Settings(
        node=f"{chosen.origin}/actor",
        origin=chosen.origin,
        name=chosen.organisation,
        development=chosen.is_development,
    )

    def allowed(list_name: ListName, origin: str) -> bool:
        if list_name != "peers":
            return False
        with open_reading(ground) as work:
            relation = work.peers.of_origin(origin)
        return relation is not None and relation.state in {State.IN_FORCE, State.SUSPENDED}

    egress = Egress(
        allowed,
        development=chosen.is_development,
        networks=chosen.networks,
        ca_file=str(chosen.ca_file) if chosen.ca_file.name else None,
    )
    federation = Federation(
        settings,
        lambda: open_work(ground),
        failpoints.hit,
        open_reading=lambda: open_reading(ground),
        unmet=lambda node: _is_unmet(ground, node),
    )
    return Handle(settings, federation, egress)
