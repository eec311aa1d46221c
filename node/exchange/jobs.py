"""Background work of the exchange."""

from __future__ import annotations

from sqlalchemy import delete

from federation import limits
from node.core.db import table_of
from node.core.ground import Ground
from node.core.jobs import every
from node.exchange import held, tables

NONCE = table_of(tables.Nonce)


@every(1, "exchange.held")
def try_held_lines(ground: Ground) -> None:
    """Tries again what could not be applied through our own fault."""
    held.retry(ground)


@every(5, "exchange.nonces")
def forget_nonces(ground: Ground) -> None:
    """Drops the nonces that are too old to be taken again anyway."""
    oldest = int(ground.clock.now().timestamp()) - limits.NONCE_MEMORY_S
    with ground.database.writing() as session:
        session.execute(delete(NONCE).where(NONCE.c.used < oldest))
