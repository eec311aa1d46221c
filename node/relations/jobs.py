"""What the handshake does by itself: send what waits, read the node actor of who accepted, erase old tokens."""

from __future__ import annotations

from sqlalchemy.orm import Session

from federation.ports import Conflict
from node.core import events
from node.core.ground import Ground
from node.core.jobs import every, job
from node.core.log import get_logger
from node.exchange.ports import Aside, Disputed
from node.identity.happenings import KeyRevoked, KeyToTell
from node.relations import records
from node.relations.services import domains, messages, outside
from node.relations.services.relations import relations_of
from node.relations.services.standing import WATCH_EVERY

log = get_logger(__name__)

REACH_TRIES = 8  # the last one an hour after the first


@every(1, "relations.messages")
def send_due(ground: Ground) -> None:
    """Sends what waits and is due, to every partner."""
    for relation_id in messages.due(ground):
        messages.send(ground, relation_id)


@job("relations.send", tries=1)
def send_one(ground: Ground, relation_id: int) -> None:
    """Sends what waits for one partner."""
    messages.send(ground, relation_id)


@job("relations.reach", tries=REACH_TRIES)
def reach(ground: Ground, relation_id: int) -> None:
    """Reads a partner's node actor for the first time; a node that does not answer is asked again."""
    try:
        relations_of(ground).reach(relation_id)
    except outside.Unreached as error:
        log.info("relations.unreached", relation=relation_id, cause=str(error))
        raise


@every(30, "relations.forget-tokens")
def forget_tokens(ground: Ground) -> None:
    """Erases the tokens of expired invitations."""
    relations_of(ground).forget_tokens()


@every(int(WATCH_EVERY.total_seconds()) // 60, "relations.watch")
def watch(ground: Ground) -> None:
    """Ends what has come to its end, and says what will soon."""
    relations_of(ground).watch()


@every(60, "relations.domains")
def look_up_domains(ground: Ground) -> None:
    """Asks the DNS once a day about the domains of every partner."""
    for relation_id in domains.due(ground):
        domains.look_up(ground, relation_id)


@job("relations.domains-of", tries=1)
def look_up_domains_of(ground: Ground, relation_id: int) -> None:
    """Asks the DNS about the domains of one partner."""
    domains.look_up(ground, relation_id)


def subscribe(ground: Ground) -> None:
    """Follows what the handshake tells: a relation began, an agreement came into force, a message was not taken."""

    def began(event: records.Introduced, session: Session) -> None:
        events.after_commit(session, lambda: ground.jobs.enqueue(reach, event.relation_id))

    def waits(event: messages.Waits, session: Session) -> None:
        again = lambda: ground.jobs.enqueue(send_one, event.relation_id, delay_s=event.delay_s)  # noqa: E731
        events.after_commit(session, again)

    def to_tell(event: KeyToTell, session: Session) -> None:
        messages.keep_of_keys(session, ground, event)
        relation_id = int(event.relation.id)
        events.after_commit(session, lambda: ground.jobs.enqueue(send_one, relation_id))

    def revoked(event: KeyRevoked, session: Session) -> None:
        for relation_id in event.relations:
            records.compare_anew(session, ground, int(relation_id))

    def aside(event: Aside, session: Session) -> None:
        messages.keep(session, ground, event.relation, event.activity, event.activity.id)
        events.after_commit(session, lambda: ground.jobs.enqueue(send_one, int(event.relation.id)))

    def disputed(event: Disputed, session: Session) -> None:
        if event.conflict == Conflict.EQUIVOCATION:
            relations_of(ground).guard(session, event.node)
            events.after_commit(session, lambda: ground.jobs.enqueue(send_one, int(event.relation_id)))

    ground.events.subscribe(Disputed, disputed)
    ground.events.subscribe(Aside, aside)
    ground.events.subscribe(KeyToTell, to_tell)
    ground.events.subscribe(KeyRevoked, revoked)

    def agreed(event: records.Agreed, session: Session) -> None:
        events.after_commit(session, lambda: ground.jobs.enqueue(look_up_domains_of, event.relation_id))

    ground.events.subscribe(records.Introduced, began)
    ground.events.subscribe(records.Agreed, agreed)
    ground.events.subscribe(messages.Waits, waits)


ALL = (send_due, send_one, reach, forget_tokens, watch, look_up_domains, look_up_domains_of)
