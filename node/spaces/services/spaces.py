"""A space of ours and the people in it: begun, entered, left; who manages it.

Rule: each use case is one unit of work, said by who does it and signed with that actor's own key; what becomes of it in
a partner's space is decided by its host. Source: PROTOCOL 2.j; DECISIONS 2, 4, 9.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask_babel import lazy_gettext as _
from sqlalchemy import insert
from sqlalchemy.orm import Session

from federation import errors as wire
from federation.activity import Document
from federation.authn import SignIn
from federation.ports import Role
from node.core import ids
from node.core.audit import Act
from node.core.errors import Absent, Changed, Invalid, NotAllowed, StepUp
from node.core.ground import Ground
from node.core.values import value
from node.exchange import refusals
from node.exchange import service as exchange
from node.exchange.service import NodeWork
from node.identity.services.identity import identity_of
from node.identity.services.names import shown
from node.spaces import tables
from node.spaces.plain import plain_text
from node.spaces.register import register_of
from node.spaces.services import reading, rosters

MAX_NAME_CHARS = 100
MAX_PURPOSE_CHARS = 500


@value
class By:
    """Who acts: the actor, and how he or she signed in (None: by no session)."""

    actor: str
    sign_in: SignIn | None = None


class Refused(NotAllowed):
    """What our own rules or a charter do not let through; the sentence says which."""


@contextmanager
def saying(ground: Ground) -> Iterator[NodeWork]:
    """A unit of work in which somebody says something; what may not be said becomes `Refused`, or `StepUp`."""
    try:
        with exchange.open_work(ground) as work:
            yield work
    except wire.NotMember as error:
        raise Absent(error.detail) from error
    except wire.AgreementSuspended as error:
        raise Refused(_("The relation with the host of this space is suspended."), error.detail) from error
    except wire.NoAgreement as error:
        raise Refused(_("The host of this space is no partner any more."), error.detail) from error
    except wire.InsufficientAuthentication as error:
        asked = {name: value for name, value in error.members.items() if name in {"acr_values", "max_age"}}
        raise StepUp(refusals.sentence(error.document()), error.detail, **asked) from error
    except wire.RemoteError as error:
        raise Refused(refusals.sentence(error.document()), error.detail) from error


def create(ground: Ground, by: By, name: str, purpose: str = "") -> str:
    """A new space, with `by` as its manager; the key of its pages. Raises Invalid."""
    said, purpose = shown(name), plain_text(purpose)
    wrong = {}
    if not said or len(said) > MAX_NAME_CHARS:
        wrong["name"] = _("Give the space a name of at most 100 characters.")
    if len(purpose) > MAX_PURPOSE_CHARS:
        wrong["purpose"] = _("At most 500 characters.")
    if wrong:
        raise Invalid(_("The space was not opened."), errors=wrong)
    with saying(ground) as work:
        register = register_of(work.session, ground)
        actor = identity_of(ground).actors.create_space(work.session, said, work.now)
        node = rosters.our_node(work)
        key = ids.wire_id()
        values = {
            "key": key,
            "iri": actor.iri,
            "host_id": register.organisation(node.node, node.name, node.key),
            "hosted": True,
            "name": said,
            "purpose": purpose,
            "rev": 0,
            "first_rev": 0,
            "roster_version": 0,
            "roster": "",
            "member_rev": 0,
            "state": "active",
            "history_from": None,
            "created_at": work.now,
        }
        register.execute(insert(tables.Space), values)
        register.forget(actor.iri)
        rosters.write(work, actor.iri, nodes=[node], members={by.actor: Role.MANAGER})
        ground.audit.append(work.session, Act("space.created", by.actor, subject=actor.iri))
    return key


def add_member(ground: Ground, by: By, key: str, wire_id: str) -> None:
    """A manager takes in a colleague. Raises Absent, Refused, Invalid."""
    with saying(ground) as work:
        space = managed(work.session, key, by)
        if not space.hosted:
            raise Refused(_("In a partner’s space, each colleague comes in alone."))
        person = _colleague(ground, work, wire_id)
        register = register_of(work.session, ground)
        if register.role(space.iri, person) is None:
            exchange.publish(ground, work, adding(space.iri, person), by.actor, by.sign_in)


def join(ground: Ground, by: By, key: str) -> str:
    """One of ours enters a partner's space that our organisation accepted; its IRI. Raises Absent."""
    with saying(ground) as work:
        offer = reading.joinable_space(work.session, key, by.actor)
        space = register_of(work.session, ground).by_id(offer.space_id)
        said = {"type": "Join", "to": [space.iri], "audience": space.iri, "object": space.iri}
        exchange.publish(ground, work, said, by.actor, by.sign_in)
        return space.iri


def leave(ground: Ground, by: By, key: str) -> None:
    """One of ours leaves. Raises Absent, and Changed for the last manager of a space of ours."""
    with saying(ground) as work:
        space = reading.seen(work.session, key, by.actor)
        _keep_a_manager(work, space, by.actor)
        said = {"type": "Leave", "to": [space.iri], "audience": space.iri, "object": space.iri}
        exchange.publish(ground, work, said, by.actor, by.sign_in)


def remove(ground: Ground, by: By, key: str, participant_key: str) -> None:
    """A manager takes somebody out. Raises Absent, Changed."""
    with saying(ground) as work:
        space = managed(work.session, key, by)
        person = _member(work, space, participant_key)
        _keep_a_manager(work, space, person)
        said = {
            "type": "Remove",
            "to": [f"{space.iri}/members"],
            "audience": space.iri,
            "object": person,
            "target": f"{space.iri}/members",
        }
        exchange.publish(ground, work, said, by.actor, by.sign_in)
        ground.audit.append(work.session, Act("space.removed", by.actor, subject=person))


def give_role(ground: Ground, by: By, key: str, participant_key: str, role: Role) -> None:
    """A manager of a space of ours makes somebody manager, or member again. Raises Absent, Changed, Refused."""
    with saying(ground) as work:
        space = managed(work.session, key, by)
        if not space.hosted:
            raise Refused(_("Roles are given by the organisation that keeps the space."))
        person = _member(work, space, participant_key)
        if role is Role.MEMBER:
            _keep_a_manager(work, space, person)
        members = register_of(work.session, ground).members(space.iri)
        if members[person] is not role:
            rosters.write(work, space.iri, members={**members, person: role})
            ground.audit.append(
                work.session, Act("space.role", by.actor, subject=person, detail={"role": role.value})
            )


def managed(session: Session, key: str, by: By) -> reading.SpaceSeen:
    """The space of a page, for one who manages it. Raises Absent, Refused."""
    space = reading.seen(session, key, by.actor)
    if not space.managed:
        raise Refused(
            _("Only a manager of the space may do this."), f"{by.actor} does not manage {space.iri}"
        )
    return space


def adding(iri: str, person: str) -> Document:
    """What makes a person a member of a space, still without its author."""
    members = f"{iri}/members"
    return {"type": "Add", "to": [members], "audience": iri, "object": person, "target": members}


def _colleague(ground: Ground, work: NodeWork, wire_id: str) -> str:
    person = identity_of(ground).people.by_wire_id(work.session, wire_id)
    if person.disabled_at is not None:
        raise Invalid(_("This account is closed."), errors={"person": _("This account is closed.")})
    return person.actor


def _member(work: NodeWork, space: reading.SpaceSeen, participant_key: str) -> str:
    person = reading.person_by_key(work.session, participant_key)
    if register_of(work.session, work.ground).role(space.iri, person.iri) is None:
        raise Absent(f"{person.iri} is not in {space.iri}")
    return person.iri


def _keep_a_manager(work: NodeWork, space: reading.SpaceSeen, leaving: str) -> None:
    if not space.hosted:
        return
    members = register_of(work.session, work.ground).members(space.iri)
    managers = [actor for actor, role in members.items() if role is Role.MANAGER]
    if managers == [leaving]:
        raise Changed(_("A space needs at least one manager. Name another one first."))
