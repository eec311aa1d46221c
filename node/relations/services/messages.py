"""What the handshake still has to say to a partner's inbox: kept, sent in order, tried again until taken.

Rule: a message is written in the unit of work that makes it true, and sent afterwards; each attempt is signed
anew. What the partner refuses for good takes its effect back. Source: PROTOCOL 2.a; RELIABILITY 2.1.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from federation import activity as activities
from federation import delivery, documents, offers, rekeying, signatures
from federation.activity import Activity
from federation.errors import RemoteError
from federation.http import Headers, Request, Response
from federation.ports import Relation, State
from node.core import failpoints
from node.core.audit import Act
from node.core.ground import Ground
from node.core.log import get_logger
from node.core.values import value
from node.exchange import service as exchange
from node.identity.happenings import KeyTold, KeyToTell
from node.identity.services.identity import identity_of
from node.relations import records
from node.relations.records import MESSAGE
from node.relations.services import outside

log = get_logger(__name__)

MEDIA_TYPE = "application/activity+json"
GIVE_UP = timedelta(hours=72)
_TAKEN = frozenset({200, 202})
SOON_S = 60  # a retry within the minute gets a job of its own; later ones wait for the job of the minute

_COLUMNS = MESSAGE.c


@value
class Waits:
    """Event: a message was not taken; it may go again in `delay_s` seconds."""

    relation_id: int
    delay_s: float


def keep(
    session: Session, ground: Ground, relation: Relation, said: Activity, about: str, signer: str = ""
) -> None:
    """Queues `said` for the inbox of `relation`; send it after the commit. `signer` as the table has it."""
    now = ground.clock.now()
    session.execute(
        insert(MESSAGE).values(
            relation_id=int(relation.id),
            type=said.type,
            body=said.raw,
            about=about,
            signer=signer,
            since=now,
            next_attempt=now,
        )
    )


def keep_of_keys(session: Session, ground: Ground, told: KeyToTell) -> None:
    """Queues a word about our keys, before all else that waits for this partner; one that still waits gives way."""
    session.execute(
        delete(MESSAGE).where(_COLUMNS.relation_id == int(told.relation.id), _COLUMNS.signer != "")
    )
    keep(session, ground, told.relation, told.said, told.said.id, told.signer)


def due(ground: Ground) -> list[int]:
    """Ids of the relations for which something waits whose time has come."""
    query = select(_COLUMNS.relation_id).where(_COLUMNS.next_attempt <= ground.clock.now()).distinct()
    with ground.database.reading() as session:
        return list(session.scalars(query))


def waiting(session: Session) -> dict[int, str]:
    """Relation id -> what went wrong last ("" before the first attempt), where something waits."""
    query = select(_COLUMNS.relation_id, _COLUMNS.problem).order_by(_COLUMNS.id.desc())
    return {row.relation_id: row.problem for row in session.execute(query)}


def send(ground: Ground, relation_id: int) -> str:
    """Sends what waits for this partner, in order; "" when all was taken, else why not."""
    while True:
        with ground.database.reading() as session:
            message = (
                session.execute(
                    select(*_COLUMNS)
                    .where(_COLUMNS.relation_id == relation_id)
                    .order_by(_COLUMNS.signer == "", _COLUMNS.id)
                    .limit(1)
                )
                .mappings()
                .first()
            )
            row = records.by_id(session, relation_id)
        if message is None or row is None:
            return ""
        relation = records.relation_of(row)
        request = _signed(ground, relation, message["body"], message["signer"])
        failpoints.hit("message.signed")
        try:
            answer = outside.post(ground, row["origin"], request)
        except outside.Unreached as error:
            return _later(ground, message, str(error))
        failpoints.hit("message.answered")
        if message["signer"] and answer.status in _TAKEN:
            unproved = _unproved(ground, relation, request, answer)
            if unproved:
                return _later(ground, message, unproved)
        problem = _settle(ground, relation, message, answer)
        if problem:
            return problem


def _signed(ground: Ground, relation: Relation, body: bytes, signer: str) -> Request:
    settings, ring = exchange.settings_of(ground), identity_of(ground).actors.ring
    with ground.database.reading() as session:
        key = ring.key_named(session, signer) if signer else ring.signing_key(session, settings.node)
    unsigned = Request("POST", relation.inbox, Headers((("Content-Type", MEDIA_TYPE),)), body)
    created = int(ground.clock.now().timestamp())
    return signatures.sign_request(unsigned, key, created=created, nonce=secrets.token_urlsafe(16))


def _unproved(ground: Ground, relation: Relation, request: Request, answer: Response) -> str:
    """Why an answer does not prove that the partner's node has taken in what we said of our keys; "" when it does."""
    now = ground.clock.now()
    try:
        key = rekeying.node_key(relation, signatures.key_id_of(answer), now)
        signatures.verify_response(answer, request, key, int(now.timestamp()))
    except RemoteError as error:
        return f"The answer proves nothing: {error}"
    return ""


def _settle(ground: Ground, relation: Relation, message: Mapping[Any, Any], answer: Response) -> str:
    if answer.status in _TAKEN:
        with exchange.open_work(ground) as work:
            _done(work.session, message)
            if message["signer"]:
                ground.events.publish(KeyTold(message["about"]), work.session)
            _take_effect(work, relation, message)
            failpoints.hit("message.settled")
        return ""
    said, kind = _problem_of(answer)
    reason = f"{answer.status} {said}".strip()
    if not _is_final(answer, kind):
        return _later(ground, message, reason)
    with exchange.open_work(ground) as work:
        _done(work.session, message)
        _take_back(work, ground, relation, message, reason)
    return reason


def _take_effect(work: Any, relation: Relation, message: Mapping[Any, Any]) -> None:
    """What was to hold once the partner has taken it in: an offer taken back, the next version accepted."""
    proposal = relation.proposal
    if proposal is None or proposal.offer != message["about"]:
        return
    if message["type"] == "Undo":
        work.agreements.declined(relation, proposal.offer)
    elif message["type"] == "Accept":
        offers.conclude(relation, activities.read(message["body"]), work)


def _is_final(answer: Response, kind: str) -> bool:
    match answer.status:
        case 409 if kind == "other-agreement":
            return False  # a version that one of the two has not yet taken in
        case 401:
            return kind != "clock"
        case 429:
            return answer.headers.get("retry-after") is None  # a burnt invitation, not a rate
        case 400 | 403 | 409 | 410 | 413 | 422:
            return True
        case _:
            return False


def _take_back(
    work: Any, ground: Ground, relation: Relation, message: Mapping[Any, Any], reason: str
) -> None:
    """What we had taken for agreed is not: an invitation, an offer; the rest is noted."""
    session: Session = work.session
    relation_id = int(relation.id)
    proposal = relation.proposal
    if message["signer"]:
        ground.events.publish(KeyTold(message["about"], reason), session)
    is_open = proposal is not None and proposal.offer == message["about"]
    if message["type"] in {"Accept", "Offer"} and is_open:
        work.agreements.declined(relation, message["about"])
        records.change(session, ground, relation_id, note=reason)
    elif message["type"] == "Accept" and relation.state is State.KEYS_EXCHANGED:
        ended = ground.clock.now()
        records.change(
            session, ground, relation_id, state=State.TERMINATED, ended_at=ended, note=f"refused: {reason}"
        )
        session.execute(delete(MESSAGE).where(_COLUMNS.relation_id == relation_id))
    elif relation.state is not State.TERMINATED:
        records.change(session, ground, relation_id, note=reason)
    refused = Act("relation.refused-there", peer=relation.node, rule=reason[:80], subject=message["about"])
    ground.audit.append(session, refused)


def _done(session: Session, message: Mapping[Any, Any]) -> None:
    session.execute(delete(MESSAGE).where(_COLUMNS.id == message["id"]))


def _later(ground: Ground, message: Mapping[Any, Any], problem: str) -> str:
    now: datetime = ground.clock.now()
    failures: int = message["failures"] + 1
    at = delivery.next_attempt(failures, message["since"], now)
    log.info("handshake.waits", relation=message["relation_id"], failures=failures, cause=problem)
    with exchange.open_work(ground) as work:
        session: Session = work.session
        if at is None or (now - message["since"] >= GIVE_UP and not message["signer"]):
            _done(session, message)
            row = records.by_id(session, message["relation_id"])
            if row is not None:
                _take_back(work, ground, records.relation_of(row), message, problem)
            return problem
        session.execute(
            update(MESSAGE)
            .where(_COLUMNS.id == message["id"])
            .values(failures=failures, next_attempt=at, problem=problem)
        )
        delay_s = (at - now).total_seconds()
        if delay_s <= SOON_S:
            ground.events.publish(Waits(message["relation_id"], delay_s), session)
    return problem


def _problem_of(answer: Response) -> tuple[str, str]:
    """The sentence of a problem document, and the fragment of its type."""
    try:
        document = documents.loads(answer.body)
    except RemoteError:
        return "", ""
    said = document.get("detail") or document.get("title")
    return (said if isinstance(said, str) else "")[:300], str(document.get("type", "")).rpartition("#")[2]
