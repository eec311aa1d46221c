"""Like: a person likes what another posted in the same space."""

from __future__ import annotations

from collections.abc import Sequence

from federation.errors import OutOfScope
from federation.kind import ActivityType, Reply, effect_of, is_hosted, spoken_of
from federation.ports import TOMBSTONE, Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Count the Like once, if its object stands in this space.

    What its host announces may be gone here already: our own recall takes effect here before it gets there.
    """
    stored = spoken_of(trusted, trusted.activity.object_id, work)
    if stored is None or (stored.type == TOMBSTONE and not is_hosted(trusted)):
        return ()
    if stored.type == TOMBSTONE:
        raise OutOfScope("The object is gone.")
    work.objects.like(effect_of(trusted))
    return ()


LIKE = ActivityType("Like", receive)
