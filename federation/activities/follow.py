"""Follow: a request to enter a closed space; waits for a person, gives nothing (FEP-1b12; PROTOCOL 2.j)."""

from __future__ import annotations

from collections.abc import Sequence

from federation.kind import ActivityType, Reply, effect_of
from federation.ports import Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Keep the request."""
    work.spaces.request(effect_of(trusted))
    return ()


FOLLOW = ActivityType("Follow", receive)
