"""Remove: a manager, or the person's own node, takes a member out (PROTOCOL 2.j)."""

from __future__ import annotations

from collections.abc import Sequence

from federation.errors import NotMember, OutOfScope
from federation.kind import ActivityType, Reply, effect_of, is_history, is_hosted
from federation.ports import Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Dismiss the person named as object."""
    effect = effect_of(trusted)
    if effect.activity.document.get("target") != f"{effect.space.iri}/members":
        raise OutOfScope("Only the members of the space can be removed from.")
    person = str(effect.activity.object_id)
    if is_history(trusted):
        return ()
    if work.spaces.role(effect.space.iri, person) is not None:
        work.spaces.dismiss(effect, person)
    elif is_hosted(trusted):
        raise NotMember(f"{person} is no member of the space.")
    return ()


REMOVE = ActivityType("Remove", receive)
