"""Delete: an object goes, a tombstone stays (ActivityPub 7.4); what is called back goes everywhere (PROTOCOL 2.f)."""

from __future__ import annotations

from collections.abc import Sequence

from federation import recall
from federation.kind import ActivityType, Reply, effect_of, spoken_of
from federation.ports import Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Put the tombstone in the object's place; who deleted stands in the effect."""
    asked = recall.read(trusted.activity)
    stored = spoken_of(trusted, trusted.activity.object_id, work)
    effect = effect_of(trusted)
    if stored is not None:
        recall.check_may(asked, effect.actor, stored, effect.space, work)
    work.recalls.begin(effect, asked)
    work.objects.delete(effect)
    return ()


DELETE = ActivityType("Delete", receive)
