"""Like: a person likes what another posted in the same space."""

from __future__ import annotations

from collections.abc import Sequence

from federation.errors import OutOfScope
from federation.kind import ActivityType, Reply, effect_of
from federation.ports import Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Count the Like once, if its object stands in this space."""
    stored = work.objects.stored(str(trusted.activity.object_id))
    if stored is None or trusted.space is None or stored.audience != trusted.space.iri:
        raise OutOfScope("No such object in this space.")
    work.objects.like(effect_of(trusted))
    return ()


LIKE = ActivityType("Like", receive)
