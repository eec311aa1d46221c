"""Offer: an agreement proposed by the partner (PROTOCOL 2.a.5)."""

from __future__ import annotations

from collections.abc import Sequence

from federation import offers
from federation.errors import OutOfScope
from federation.kind import ActivityType, Reply
from federation.ports import Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Keep the offer for our admin."""
    if trusted.relation is None:
        raise OutOfScope("An agreement is offered by a partner.")
    offers.take_offer(trusted.activity, trusted.relation, work)
    return ()


OFFER = ActivityType("Offer", receive)
