"""A space of two or more organisations: offered, accepted, brought up to date; left.

Rule: the partner's admin is asked first; on a yes the roster goes out before anything of the new organisation, then who
is there, then the past from the date agreed, oldest first (DECISIONS 5). Each step is remembered, so that a crash loses
none. Source: PROTOCOL 2.j (*The life of a shared space*); PRODUCT D.2, D.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Literal

from flask_babel import lazy_gettext as _
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from federation import charter, iris
from federation.activity import Activity, Document
from federation.errors import OutOfScope
from federation.ports import MemberNode, Relation, State
from node.core import events, ids
from node.core.audit import Act
from node.core.clock import rfc3339
from node.core.errors import Absent, Invalid
from node.core.ground import Ground
from node.core.jobs import every, job
from node.core.values import value
from node.exchange import history
from node.exchange import service as exchange
from node.exchange.service import NodeWork
from node.relations.records import SpacesStopped
from node.relations.services.faces import Face, faces
from node.spaces import tables
from node.spaces.audience import SPACE
from node.spaces.happenings import Accepted, RosterStale
from node.spaces.register import INVITATION, TURN, register_of
from node.spaces.services import ended, reading, rosters
from node.spaces.services.spaces import By, Refused, saying

TOLD_AT_ONCE = 20_000  # a unit of work: some 3 s, in which others wait to write
READ_AT_ONCE = 100

History = Literal["none", "from", "all"]

_I = INVITATION.c


@value
class Past:
    """What there is to show of a space of ours: how many messages, and since when."""

    turns: int
    oldest: datetime | None


@value
class Sent:
    """An invitation of ours, as the space's managers see it; `told` of `to_tell` turns of history are on their way."""

    key: str
    node: str
    state: str
    at: datetime
    told: int
    to_tell: int


def partners(session: Session, space: reading.SpaceSeen) -> list[Face]:
    """With whom a space of ours can be shared now: an agreement in force, and not there or asked yet."""
    there = {share.organisation.node for share in reading.shares(session, [space.id]).get(space.id, [])}
    asked = {each.node for each in sent(session, space) if each.state in {"open", "accepted"}}
    return [face for face in faces(session).values() if face.in_force and face.node not in there | asked]


def past(session: Session, space: reading.SpaceSeen) -> Past:
    """How much there is to show."""
    row = session.execute(
        select(func.count().label("turns"), func.min(TURN.c.at).label("oldest")).where(
            TURN.c.space_id == space.id
        )
    ).one()
    return Past(row.turns, None if row.oldest is None else datetime.fromtimestamp(row.oldest, UTC))


def sent(session: Session, space: reading.SpaceSeen) -> list[Sent]:
    """The invitations to a space of ours, the newest first."""
    organisation = tables.Organisation
    query = (
        select(_I.key, organisation.node, _I.state, _I.at, _I.told, _I.to_tell)
        .join(organisation, organisation.id == _I.organisation_id)
        .where(_I.space_id == space.id, _I.outgoing)
        .order_by(_I.at.desc())
    )
    return [Sent(*row) for row in session.execute(query)]


def share(
    ground: Ground, by: By, key: str, partner_key: str, past_shown: History, day: date | None = None
) -> None:
    """Offers a space of ours to a partner. Raises Absent, Invalid, Refused."""
    if past_shown == "from" and day is None:
        sentence = _("Choose the date from which they may see what was written.")
        raise Invalid(sentence, errors={"history_from": sentence})
    with saying(ground) as work:
        space = reading.seen(work.session, key, by.actor)
        if not (space.managed and space.hosted):
            raise Refused(_("Only a manager may share a space, and only one that is kept here."))
        face = next((each for each in partners(work.session, space) if each.key == partner_key), None)
        if face is None:
            raise Invalid(_("Choose a partner."), errors={"partner": _("Choose a partner.")})
        relation = work.peers.of_node(face.node)
        if relation is None or relation.state is not State.IN_FORCE:
            raise Absent(f"no relation in force with {face.node}")
        _check_charters(work, space, relation)
        first = past(work.session, space).oldest
        begins = {"none": None, "from": day, "all": first and first.date()}[past_shown]
        said = exchange.tell(
            ground,
            work,
            relation,
            {
                "type": "Invite",
                "to": [relation.node],
                "target": relation.node,
                "object": _group(work, space, begins),
            },
            space.iri,
        )
        register = register_of(work.session, ground)
        row = {
            "key": ids.wire_id(),
            "activity": said.id,
            "outgoing": True,
            "space_id": space.id,
            "organisation_id": register.organisation(
                relation.node, relation.name, relation.keys[0].multibase
            ),
            "state": "open",
            "history": past_shown,
            "history_from": day if past_shown == "from" else None,
            "terms": "{}",
            "entered_rev": 0,
            "told_rev": 0,
            "told": 0,
            "to_tell": 0,
            "at": work.now,
            "answered_at": None,
            "accepting": "",
        }
        register.execute(insert(INVITATION), row)
        ground.audit.append(
            work.session,
            Act(
                "space.offered", by.actor, peer=relation.node, subject=space.iri, detail={"past": past_shown}
            ),
        )


def answer(ground: Ground, by: By, key: str, *, accept: bool) -> None:
    """Our admin answers a partner's offer. Raises Absent."""
    with saying(ground) as work:
        offer = reading.offer(work.session, key)
        register = register_of(work.session, ground)
        space = register.by_id(offer.space_id)
        row = work.session.execute(select(_I.activity).where(_I.id == offer.id)).one()
        relation = work.peers.of_node(offer.host.node)
        if relation is None or relation.state is not State.IN_FORCE:
            raise Absent(f"no relation in force with {offer.host.node}")
        said = exchange.tell(
            ground,
            work,
            relation,
            {
                "type": "Accept" if accept else "Reject",
                "to": [relation.node],
                "object": {"id": row.activity, "type": "Invite", "actor": space.iri},
            },
            work.node,
        )
        register.execute(
            update(INVITATION)
            .where(_I.id == offer.id)
            .values(
                state="accepted" if accept else "rejected",
                answered_at=work.now,
                accepting=said.id if accept else "",
            )
        )
        if accept:
            changed = update(SPACE).where(SPACE.c.id == space.id)
            register.execute(changed.values(history_from=_day_shown(offer, work.now)))
        action = "space.accepted" if accept else "space.declined"
        ground.audit.append(work.session, Act(action, by.actor, peer=relation.node, subject=space.iri))


def leave_as_organisation(ground: Ground, by: By, key: str) -> None:
    """Our admin takes the whole organisation out of a partner's space (PROTOCOL 2.j, step 6). Raises Absent."""
    with saying(ground) as work:
        register = register_of(work.session, ground)
        query = (
            select(_I.id, _I.accepting, _I.activity, SPACE.c.iri)
            .join(SPACE, SPACE.c.id == _I.space_id)
            .where(SPACE.c.key == key, _I.state == "accepted", _I.outgoing.is_(False))
            .order_by(_I.id.desc())
            .limit(1)
        )
        found = work.session.execute(query).first()
        if found is None:
            raise Absent(f"no accepted space {key!r}")
        space = register.get(found.iri)
        relation = work.peers.of_node(space.host)
        if relation is not None and relation.state is State.IN_FORCE:
            undone = {"id": found.accepting, "type": "Accept", "actor": work.node, "object": found.activity}
            said = {"type": "Undo", "to": [relation.node], "audience": space.iri, "object": undone}
            exchange.tell(ground, work, relation, said, work.node)
        register.execute(update(INVITATION).where(_I.id == found.id).values(state="withdrawn"))
        ended.close(register, space.iri)
        ground.audit.append(work.session, Act("space.left", by.actor, peer=space.host, subject=space.iri))


def remove_partner(ground: Ground, by: By, key: str, partner_key: str) -> None:
    """The same as `remove_organisation`, by the key of the relation. Raises Absent, Refused."""
    with ground.database.reading() as session:
        reading.seen(session, key, by.actor)
        node = next((face.node for face in faces(session).values() if face.key == partner_key), None)
    if node is None:
        raise Absent(f"no partner {partner_key!r}")
    remove_organisation(ground, by, key, node)


def remove_organisation(ground: Ground, by: By, key: str, node: str) -> None:
    """A manager takes an organisation out of a space of ours, all its people with it. Raises Absent, Refused."""
    with saying(ground) as work:
        space = reading.seen(work.session, key, by.actor)
        if not (space.managed and space.hosted):
            raise Refused(_("Only a manager may do this, and only in a space that is kept here."))
        register = register_of(work.session, ground)
        nodes = [each.node for each in register.named(space.iri)]
        if node not in {each.node for each in nodes[1:]}:
            raise Absent(f"{node} is not on the roster of {space.iri}")
        members = register.members(space.iri)
        rosters.write(
            work,
            space.iri,
            nodes=[each for each in nodes if each.node != node],
            members={actor: role for actor, role in members.items() if not iris.same_origin(actor, node)},
        )
        ground.audit.append(
            work.session, Act("space.organisation-removed", by.actor, peer=node, subject=space.iri)
        )


# -- what follows from a partner's answer


def when_accepted(ground: Ground, happened: Accepted, session: Session) -> None:
    """Puts the work off until after the commit: the roster is written in a unit of work of its own."""
    events.after_commit(session, lambda: ground.jobs.enqueue(admit_organisation, happened.invitation_id))


def when_stale(ground: Ground, happened: RosterStale, session: Session) -> None:
    """The same, for a roster from which an organisation is gone."""
    events.after_commit(session, lambda: ground.jobs.enqueue(renew_roster, happened.space_id))


def when_stopped(ground: Ground, happened: SpacesStopped, session: Session) -> None:
    """The other organisations of a space of ours hear who reads nothing there from now, or reads again."""
    register = register_of(session, ground)
    for iri in happened.spaces.intersection(register.hosted_with(happened.node)):
        when_stale(ground, RosterStale(register.get(iri).id), session)


@job("spaces.admit", tries=5, retry_delay_s=5)
def admit_organisation(ground: Ground, invitation_id: int) -> None:
    """Roster first, with who is there; then the past."""
    with exchange.open_work(ground) as work:
        invitation = _invitation(work, invitation_id, "accepted")
        if invitation is None:
            return
        register = register_of(work.session, ground)
        space = register.by_id(invitation.space_id)
        relation = work.peers.of_node(invitation.node)
        if relation is None or relation.state is not State.IN_FORCE:
            return
        nodes = [each.node for each in register.named(space.iri)]
        if all(each.node != relation.node for each in nodes):
            key, since = relation.keys[0].multibase, rfc3339(work.now)
            nodes.append(MemberNode(relation.node, relation.name, key, rosters.MEMBER, since))
            rosters.write(work, space.iri, nodes=nodes)
        register.flush()
        entered = register.get(space.iri).rev
        counted = select(func.count()).select_from(TURN).where(*_to_tell(invitation, entered))
        to_tell = 0 if invitation.history == "none" else work.session.execute(counted).scalar_one()
        changed = update(INVITATION).where(_I.id == invitation_id)
        state = "admitted" if to_tell else "done"
        register.execute(changed.values(state=state, to_tell=to_tell, entered_rev=entered))
        more = bool(to_tell) and _tell(work, invitation_id)
    if more:
        ground.jobs.enqueue(tell_past, invitation_id)


@job("spaces.tell-past", tries=5, retry_delay_s=5)
def tell_past(ground: Ground, invitation_id: int) -> None:
    """What is left of the past; goes on where it stopped."""
    more = True
    while more:
        with exchange.open_work(ground) as work:
            more = _tell(work, invitation_id)


@job("spaces.renew-roster", tries=5, retry_delay_s=5)
def renew_roster(ground: Ground, space_id: int) -> None:
    """Announces the roster as it is now to those who are left on it."""
    with exchange.open_work(ground) as work:
        rosters.write(work, register_of(work.session, ground).by_id(space_id).iri)


@every(1, "spaces.keys")
def renew_keys(ground: Ground) -> None:
    """A node that has another key, or is stopped in a space, is named so to those who know it by the roster alone."""
    with exchange.open_reading(ground) as work:
        hosted = work.session.execute(select(SPACE.c.id, SPACE.c.iri).where(SPACE.c.hosted)).all()
        stale = [
            row.id
            for row in hosted
            if any(rosters.is_stale(work, row.iri, each) for each in work.spaces.nodes(row.iri))
        ]
    for space_id in stale:
        ground.jobs.enqueue(renew_roster, space_id)


@every(1, "spaces.finish")
def finish(ground: Ground) -> None:
    """What a crash interrupted: accepted invitations without a roster, pasts half told."""
    with ground.database.reading() as session:
        rows = session.execute(
            select(_I.id, _I.state).where(_I.outgoing, _I.state.in_(("accepted", "admitted")))
        ).all()
    for row in rows:
        ground.jobs.enqueue(admit_organisation if row.state == "accepted" else tell_past, row.id)


def _tell(work: NodeWork, invitation_id: int) -> bool:
    """The next Announces since the date agreed, oldest first; whether there may be more.

    All of a usual past goes out with the roster, in one unit of work: nothing newer may come between, or an edit
    would overtake what it changes.
    """
    invitation = _invitation(work, invitation_id, "admitted")
    if invitation is None:
        return False
    register = register_of(work.session, work.ground)
    space = register.by_id(invitation.space_id)
    relation = work.peers.of_node(invitation.node)
    if relation is None or relation.state is not State.IN_FORCE:
        return False
    turns = work.session.execute(
        select(TURN.c.rev, TURN.c.activity)
        .where(*_to_tell(invitation, invitation.entered_rev), TURN.c.rev > invitation.told_rev)
        .order_by(TURN.c.rev)
        .limit(TOLD_AT_ONCE)
    ).all()
    announces = _announces(work, [turn.activity for turn in turns])
    exchange.backfill(work.ground, work, relation, space.iri, announces)
    more = len(turns) == TOLD_AT_ONCE
    register.execute(
        update(INVITATION)
        .where(_I.id == invitation_id)
        .values(
            state="admitted" if more else "done",
            told=_I.told + len(turns),
            told_rev=turns[-1].rev if turns else invitation.told_rev,
        )
    )
    return more


def _announces(work: NodeWork, activities: Sequence[str]) -> Iterator[tuple[Activity, str]]:
    """The Announce of each, with the author of what it wraps; read a few at a time, as they are large."""
    for first in range(0, len(activities), READ_AT_ONCE):
        wanted = activities[first : first + READ_AT_ONCE]
        said = history.announces_of(work.session, wanted)
        for activity in wanted:
            if activity in said:
                yield said[activity], str(said[activity].document["object"]["actor"])


def _invitation(work: NodeWork, invitation_id: int, state: str) -> Any:
    organisation = tables.Organisation
    query = (
        select(INVITATION, organisation.node)
        .join(organisation, organisation.id == _I.organisation_id)
        .where(_I.id == invitation_id, _I.state == state, _I.outgoing)
    )
    return work.session.execute(query).first()


def _to_tell(invitation: Any, before: int) -> list[Any]:
    conditions = [TURN.c.space_id == invitation.space_id, TURN.c.rev < before]
    if invitation.history == "from":
        begins = datetime.combine(invitation.history_from, time.min, UTC)
        conditions.append(TURN.c.at >= int(begins.timestamp()))
    return conditions


def _check_charters(work: NodeWork, space: reading.SpaceSeen, relation: Relation) -> None:
    """That each organisation's charter allows one more (onward transfer)."""
    charter.covers_space(relation, space.iri)
    named = register_of(work.session, work.ground).named(space.iri)
    for each in (relation, *(work.peers.of_node(one.node.node) for one in named[1:])):
        if each is not None:
            charter.covers_roster(each, len(named) + 1)


def _group(work: NodeWork, space: reading.SpaceSeen, begins: date | None) -> Document:
    document = work.actors.document(space.iri)
    if document is None:
        raise OutOfScope(f"{space.iri} is not known here.")
    shares = reading.shares(work.session, [space.id])[space.id]
    return {
        **{name: value for name, value in document.items() if name not in {"proof", "@context"}},
        "summary": space.purpose,
        "retention": [],
        "labels": [],
        "historyFrom": None if begins is None else begins.isoformat(),
        "audienceSize": [{"name": each.organisation.name, "count": each.count} for each in shares],
    }


def _day_shown(offer: reading.Offer, now: datetime) -> date:
    """The day from which we see what was written."""
    return offer.history_from or now.date()
