"""What becomes of spaces when the relation with an organisation ends.

Rule: its own spaces close here in the unit of work that ends the relation; it leaves the rosters of ours right after,
in a unit of work of its own, since no roster may hold up an end. What is kept of them is for `retention` to say.
Source: PROTOCOL 2.a.7, 2.j; PRODUCT B10.
"""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from federation import iris
from node.core import events
from node.core.audit import Act
from node.core.ground import Ground
from node.core.jobs import every, job
from node.exchange import service as exchange
from node.relations.records import RelationEnded
from node.spaces.audience import MEMBER_NODE, ORGANISATION, SPACE
from node.spaces.register import INVITATION, Register, register_of
from node.spaces.services import rosters


def when_ended(ground: Ground, ended: RelationEnded, session: Session) -> None:
    """Closes the spaces that the organisation hosts, and sees that it leaves those of ours."""
    register = register_of(session, ground)
    organisation = select(ORGANISATION.c.id).where(ORGANISATION.c.node == ended.node).scalar_subquery()
    asked = update(INVITATION).where(
        INVITATION.c.organisation_id == organisation, INVITATION.c.state.in_(("open", "accepted", "admitted"))
    )
    register.execute(asked.values(state="withdrawn"))
    hosted = select(SPACE.c.iri).where(SPACE.c.host_id == organisation, SPACE.c.state == "active")
    for iri in session.scalars(hosted).all():
        close(register, iri)
        ground.audit.append(session, Act("space.closed", peer=ended.node, subject=iri))
    events.after_commit(session, lambda: ground.jobs.enqueue(take_out, ended.node))


def close(register: Register, iri: str) -> None:
    """Our people are in this space of another's no more, and nothing of it is taken."""
    space = register.get(iri)
    register.set_members(space, {}, None)
    register.forget(iri)
    register.execute(update(SPACE).where(SPACE.c.id == space.id).values(state="left"))
    register.changed(iri)


@job("spaces.take-out", tries=5, retry_delay_s=5)
def take_out(ground: Ground, node: str) -> None:
    """The rosters of our spaces go on without this organisation and its people."""
    with exchange.open_work(ground) as work:
        register = register_of(work.session, ground)
        for iri in register.hosted_with(node):
            members = register.members(iri)
            rosters.write(
                work,
                iri,
                nodes=[each.node for each in register.named(iri) if each.node.node != node],
                members={actor: role for actor, role in members.items() if not iris.same_origin(actor, node)},
            )
            ground.audit.append(work.session, Act("space.organisation-removed", peer=node, subject=iri))


@every(5, "spaces.take-out-ended")
def take_out_ended(ground: Ground) -> None:
    """What a crash interrupted: an organisation with which we have no relation any more stands on no roster of ours."""
    listed = (
        select(ORGANISATION.c.node)
        .join(MEMBER_NODE, MEMBER_NODE.c.organisation_id == ORGANISATION.c.id)
        .join(SPACE, SPACE.c.id == MEMBER_NODE.c.space_id)
        .where(SPACE.c.hosted)
        .distinct()
    )
    with exchange.open_reading(ground) as work:
        nodes = [
            node
            for node in work.session.scalars(listed)
            if node != work.node and work.peers.of_node(node) is None
        ]
    for node in nodes:
        ground.jobs.enqueue(take_out, node)
