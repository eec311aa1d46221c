"""Background work of the exchange."""

from __future__ import annotations

from sqlalchemy import delete, update

from federation import limits
from federation.errors import EgressError
from node.core.clock import rfc3339
from node.core.db import table_of
from node.core.ground import Ground
from node.core.jobs import every
from node.core.log import get_logger
from node.exchange import held, histories, tables
from node.exchange.service import health, live, open_reading, open_work
from node.exchange.unit import LANE

log = get_logger(__name__)

NONCE = table_of(tables.Nonce)


@every(1, "exchange.held")
def try_held_lines(ground: Ground) -> None:
    """Tries again what could not be applied through our own fault."""
    held.retry(ground)


@every(10, "exchange.checkpoints")
def sign_checkpoints(ground: Ground) -> None:
    """Has our logs confirmed by the partners, as often as their agreements ask for it."""
    with open_reading(ground) as work:
        due = histories.due(work)
    for relation_id in due:
        try:
            histories.checkpoint(ground, relation_id)
        except EgressError as error:
            log.info("checkpoints.unreached", relation=relation_id, cause=str(error))


@every(10, "exchange.unconfirmed")
def tell_unconfirmed(ground: Ground) -> None:
    """Puts on record, once, that something of ours has had no receipt in the time agreed on (PROTOCOL 2.b)."""
    with open_work(ground) as work:
        for relation in live(work):
            since = health(work.session, relation.id, work.now).unconfirmed
            told = update(LANE).where(LANE.c.relation == relation.id).values(unconfirmed_since=since)
            if since is None:
                work.session.execute(told.where(LANE.c.unconfirmed_since.is_not(None)))
            elif work.session.execute(told.where(LANE.c.unconfirmed_since.is_(None))).rowcount:  # type: ignore[attr-defined]
                work.audit.note("delivery.unconfirmed", partner=relation.node, since=rfc3339(since))


@every(5, "exchange.histories")
def search_histories(ground: Ground) -> None:
    """Finds where two histories part."""
    histories.search(ground)


@every(5, "exchange.nonces")
def forget_nonces(ground: Ground) -> None:
    """Drops the nonces that are too old to be taken again anyway."""
    oldest = int(ground.clock.now().timestamp()) - limits.NONCE_MEMORY_S
    with ground.database.writing() as session:
        session.execute(delete(NONCE).where(NONCE.c.used < oldest))
