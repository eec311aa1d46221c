"""Join: a person of an organisation on the roster enters the space (PROTOCOL 2.j)."""

from __future__ import annotations

from collections.abc import Sequence

from federation.kind import ActivityType, Reply, check_person, effect_of, is_history
from federation.ports import Role, Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Admit the person; on the host, answer Accept."""
    effect = effect_of(trusted)
    if is_history(trusted):
        return ()
    check_person(effect.actor, work)
    work.spaces.admit(effect, effect.actor, Role.MEMBER)
    if trusted.relation is None or not effect.space.hosted:
        return ()
    answer = {
        "type": "Accept",
        "object": {"id": trusted.activity.id, "type": "Join", "actor": effect.actor},
        "audience": effect.space.iri,
    }
    return (Reply(trusted.relation, effect.space.iri, answer),)


JOIN = ActivityType("Join", receive)
