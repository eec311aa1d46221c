"""Leave: a member leaves the space, and nobody else does (SECURITY D19)."""

from __future__ import annotations

from collections.abc import Sequence

from federation.kind import ActivityType, Reply, effect_of, is_history
from federation.ports import Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Dismiss the actor itself."""
    effect = effect_of(trusted)
    if not is_history(trusted) and work.spaces.role(effect.space.iri, effect.actor) is not None:
        work.spaces.dismiss(effect, effect.actor)
    return ()


LEAVE = ActivityType("Leave", receive)
