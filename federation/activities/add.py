"""Add: a manager makes a person a member (ActivityPub 7.8, on the members of a space)."""

from __future__ import annotations

from collections.abc import Sequence

from federation import iris
from federation.errors import OutOfScope
from federation.kind import ActivityType, Reply, check_person, effect_of, is_history
from federation.ports import Role, Work
from federation.trust import Trusted


def receive(trusted: Trusted, work: Work) -> Sequence[Reply | Trusted]:
    """Admit the person named as object."""
    effect = effect_of(trusted)
    person = str(effect.activity.object_id)
    if effect.activity.document.get("target") != f"{effect.space.iri}/members":
        raise OutOfScope("Only the members of the space can be added to.")
    if not any(iris.same_origin(each.node, person) for each in work.spaces.nodes(effect.space.iri)):
        raise OutOfScope("The person is of no organisation on the roster.")
    check_person(person, work)
    if not is_history(trusted):
        work.spaces.admit(effect, person, Role.MEMBER)
    return ()


ADD = ActivityType("Add", receive)
