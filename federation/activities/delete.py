"""Delete: an object goes, a tombstone stays (ActivityPub 7.4)."""

from __future__ import annotations

from collections.abc import Sequence

from federation.kind import ActivityType, Reply, effect_of, spoken_of
from federation.ports import Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Put the tombstone in the object's place; who deleted stands in the effect."""
    spoken_of(trusted, trusted.activity.object_id, work)
    work.objects.delete(effect_of(trusted))
    return ()


DELETE = ActivityType("Delete", receive)
