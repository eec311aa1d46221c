"""How a relation runs, for its page: what the exchange knows, once an agreement was in force."""

from __future__ import annotations

from datetime import datetime

from node.core.ground import Ground
from node.exchange import service as exchange
from node.exchange.service import Health
from node.relations.services.partners import Partner


def of(ground: Ground, partner: Partner) -> Health | None:
    """How the exchange with a partner runs; None before there was one."""
    if partner.agreed_at is None:
        return None
    with ground.database.reading() as session:
        return exchange.health(session, str(partner.id), ground.clock.now())


def late_since(health: Health, now: datetime) -> datetime | None:
    """Since when our oldest entry waits, once the partner has been away for a minute."""
    if not health.queued or health.since is None or now - health.since < exchange.LATE:
        return None
    return health.oldest or health.since
