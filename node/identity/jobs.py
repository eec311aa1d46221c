"""What the keys of this node do by themselves: they go into use once all partners know, and end after their overlap."""

from __future__ import annotations

from sqlalchemy.orm import Session

from node.core.ground import Ground
from node.core.jobs import every
from node.identity.happenings import KeyTold
from node.identity.services.keys import keys_of


@every(10, "identity.keys")
def tidy(ground: Ground) -> None:
    """Retires keys past their overlap, and puts the next one to use when nobody is left to wait for."""
    keys_of(ground).tidy()


def subscribe(ground: Ground) -> None:
    """Follows what partners answer to a word about our keys."""

    def told(event: KeyTold, session: Session) -> None:
        keys_of(ground).told(event, session)

    ground.events.subscribe(KeyTold, told)


ALL = (tidy,)
