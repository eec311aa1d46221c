"""Remove: a manager, or the person's own node, takes a member out (PROTOCOL 2.j)."""

from __future__ import annotations

from collections.abc import Sequence

from federation.errors import OutOfScope
from federation.kind import ActivityType, Reply, effect_of
from federation.ports import Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Dismiss the person named as object."""
    effect = effect_of(trusted)
    if effect.activity.document.get("target") != f"{effect.space.iri}/members":
        raise OutOfScope("Only the members of the space can be removed from.")
    work.spaces.dismiss(effect, str(effect.activity.object_id))
    return ()


REMOVE = ActivityType("Remove", receive)
