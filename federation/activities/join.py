"""Join: a person of an organisation on the roster enters the space (PROTOCOL 2.j)."""

from __future__ import annotations

from collections.abc import Sequence

from federation import documents
from federation.errors import OutOfScope
from federation.kind import ActivityType, Reply, check_person, effect_of, is_history
from federation.ports import Role, Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Admit the person; on the host, answer Accept."""
    effect = effect_of(trusted)
    if is_history(trusted):
        return ()
    check_person(effect.actor, work)
    _check_invited(trusted, work)
    work.spaces.admit(effect, effect.actor, Role.MEMBER)
    if trusted.relation is None or not effect.space.hosted:
        return ()
    answer = {
        "type": "Accept",
        "object": {"id": trusted.activity.id, "type": "Join", "actor": effect.actor},
        "audience": effect.space.iri,
    }
    return (Reply(trusted.relation, effect.space.iri, answer),)


def _check_invited(trusted: Trusted, work: Work) -> None:
    """Who brings an invitation (`instrument`) is held to it: an open one of ours, to him or his node, into this space.

    Raises OutOfScope for any other.
    """
    instrument, relation, space = trusted.activity.document.get("instrument"), trusted.relation, trusted.space
    if instrument is None or relation is None or space is None or not space.hosted:
        return
    found = work.spaces.invitation(str(documents.id_of(instrument)))
    if found is None or found[0].iri != space.iri or found[1] not in {trusted.activity.actor, relation.node}:
        raise OutOfScope("The invitation is none, or was given to somebody else.")


JOIN = ActivityType("Join", receive)
