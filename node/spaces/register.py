"""The spaces of one unit of work: read once, changed in memory, written just before the commit.

Rule: what a walk does line by line costs no statement here (the order of a space, its turns); what changes rarely
(members, rosters) is written at once. A savepoint that is undone takes back both. Statements go past the ORM. Who
writes came through `exchange.service.open_work`, where units of work take turns.
Source: PROTOCOL 2.0 (*Order*), 2.j; PERFORMANCE, section 3.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from federation import iris
from federation.activity import Document
from federation.errors import LocalError, OutOfScope, ReplayedMessage
from federation.ports import Effect, FormerNode, MemberNode, Role, Space
from node.core import events, ids
from node.core.db import table_of
from node.core.ground import Ground
from node.core.hot import Hot, execute
from node.core.values import value
from node.core.work import Reversible, enlist
from node.identity.services.identity import identity_of
from node.identity.services.names import shown
from node.spaces import tables

SPACE = table_of(tables.Space)
ORGANISATION = table_of(tables.Organisation)
PARTICIPANT = table_of(tables.Participant)
MEMBER = table_of(tables.Member)
MEMBER_NODE = table_of(tables.MemberNode)
MISSING = table_of(tables.MissingRev)
TURN = table_of(tables.Turn)
INVITATION = table_of(tables.Invitation)

_SPACE = select(
    SPACE.c.id,
    SPACE.c.key,
    SPACE.c.iri,
    ORGANISATION.c.node.label("host"),
    SPACE.c.hosted,
    SPACE.c.name,
    SPACE.c.rev,
    SPACE.c.first_rev,
    SPACE.c.member_rev,
    SPACE.c.roster_version,
    SPACE.c.state,
).select_from(SPACE.join(ORGANISATION, ORGANISATION.c.id == SPACE.c.host_id))
_BY_IRI = Hot(_SPACE.where(SPACE.c.iri == bindparam("name")))
_BY_ID = Hot(_SPACE.where(SPACE.c.id == bindparam("number")))
_ROLE = Hot(
    select(MEMBER.c.role)
    .select_from(MEMBER.join(PARTICIPANT, PARTICIPANT.c.id == MEMBER.c.participant_id))
    .where(
        MEMBER.c.space_id == bindparam("space"),
        PARTICIPANT.c.iri == bindparam("name"),
        MEMBER.c.until.is_(None),
    )
)
_NODES = Hot(
    select(
        ORGANISATION.c.id,
        ORGANISATION.c.node,
        ORGANISATION.c.name,
        ORGANISATION.c.key,
        MEMBER_NODE.c.role,
        MEMBER_NODE.c.since,
        MEMBER_NODE.c.stopped,
    )
    .select_from(MEMBER_NODE.join(ORGANISATION, ORGANISATION.c.id == MEMBER_NODE.c.organisation_id))
    .where(MEMBER_NODE.c.space_id == bindparam("space"))
    .order_by(MEMBER_NODE.c.position)
)
_PARTICIPANT = Hot(select(PARTICIPANT.c.id).where(PARTICIPANT.c.iri == bindparam("name")))
_ACTOR = Hot(select(PARTICIPANT.c.iri).where(PARTICIPANT.c.id == bindparam("number")))
_PERSON = Hot(select(PARTICIPANT.c.person_id).where(PARTICIPANT.c.iri == bindparam("name")))
_HOME = Hot(
    select(ORGANISATION.c.node)
    .select_from(PARTICIPANT.join(ORGANISATION, ORGANISATION.c.id == PARTICIPANT.c.organisation_id))
    .where(PARTICIPANT.c.iri == bindparam("name"))
)
_MEMBERS = Hot(
    select(PARTICIPANT.c.iri, PARTICIPANT.c.id, MEMBER.c.role, MEMBER.c.rev)
    .select_from(MEMBER.join(PARTICIPANT, PARTICIPANT.c.id == MEMBER.c.participant_id))
    .where(MEMBER.c.space_id == bindparam("space"), MEMBER.c.until.is_(None))
)
_MOVE = Hot(
    update(SPACE)
    .where(SPACE.c.id == bindparam("number"))
    .values(rev=bindparam("new_rev"), first_rev=bindparam("new_first"), member_rev=bindparam("new_member"))
)
_ROSTER = select(SPACE.c.roster).where(SPACE.c.id == bindparam("number"))
_TURN = Hot(insert(TURN))
_MISS = insert(MISSING)
_FOUND = Hot(
    delete(MISSING).where(MISSING.c.space_id == bindparam("space"), MISSING.c.rev == bindparam("number"))
)
_ADMIT_AGAIN = (
    update(MEMBER)
    .where(MEMBER.c.space_id == bindparam("space"), MEMBER.c.participant_id == bindparam("participant"))
    .values(role=bindparam("new_role"), since=bindparam("at"), until=None, rev=bindparam("new_rev"))
)
_GIVE_ROLE = (
    update(MEMBER)
    .where(MEMBER.c.space_id == bindparam("space"), MEMBER.c.participant_id == bindparam("participant"))
    .values(role=bindparam("new_role"), rev=bindparam("new_rev"))
)
_GIVE_REV = (
    update(MEMBER)
    .where(MEMBER.c.space_id == bindparam("space"), MEMBER.c.rev.is_(None))
    .values(rev=bindparam("new_rev"))
)
_DISMISS = (
    update(MEMBER)
    .where(
        MEMBER.c.space_id == bindparam("space"),
        MEMBER.c.participant_id == bindparam("participant"),
        MEMBER.c.until.is_(None),
    )
    .values(until=bindparam("at"), rev=bindparam("new_rev"))
)


class Row(NamedTuple):
    """A space, as the walk needs it."""

    id: int
    key: str
    iri: str
    host: str
    hosted: bool
    name: str
    rev: int
    first_rev: int
    member_rev: int
    roster_version: int
    state: str

    @property
    def active(self) -> bool:
        """Whether our organisation is on its roster."""
        return self.state == "active"

    def value(self) -> Space:
        """The row as federation sees it."""
        return Space(
            iri=self.iri,
            host=self.host,
            hosted=self.hosted,
            rev=self.rev,
            first_rev=self.first_rev,
            roster_version=self.roster_version,
            active=self.active,
        )


class Person(NamedTuple):
    """What an introduction says of a person."""

    name: str
    handle: str


@value
class Named:
    """An organisation of a roster with its row."""

    id: int
    node: MemberNode


class Register(Reversible):
    """The participant: `register_of(session, ground)` gives the one of a session."""

    def __init__(self, session: Session, ground: Ground) -> None:
        super().__init__()
        self.session, self.ground = session, ground
        self._spaces: dict[str, Row | None] = {}
        self._roles: dict[tuple[int, str], Role | None] = {}
        self._nodes: dict[int, tuple[Named, ...]] = {}
        self._participants: dict[str, int] = {}
        self._actors: dict[int, str] = {}
        self._moved: dict[str, None] = {}
        self._turns: list[dict[str, Any]] = []
        self._woken: set[int] = set()

    def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Runs a statement on the connection of the session, past the ORM."""
        return execute(self.session, statement, parameters)

    @property
    def now(self) -> datetime:
        """The clock, UTC."""
        return self.ground.clock.now()

    # -- spaces

    def find(self, iri: str) -> Row | None:
        """The space, if we host it, are on its roster, or were invited."""
        if iri not in self._spaces:
            found = self.execute(_BY_IRI, {"name": iri}).first()
            self._spaces[iri] = None if found is None else Row(*found)
        return self._spaces[iri]

    def get(self, iri: str) -> Row:
        """The same. Raises LocalError when there is no such space."""
        found = self.find(iri)
        if found is None:
            raise LocalError(f"There is no space {iri}.")
        return found

    def by_id(self, space_id: int) -> Row:
        """The space of a row. Raises LocalError when there is none."""
        for known in self._spaces.values():
            if known is not None and known.id == space_id:
                return known
        found = self.execute(_BY_ID, {"number": space_id}).first()
        if found is None:
            raise LocalError(f"There is no space {space_id}.")
        row = Row(*found)
        self._spaces[row.iri] = row
        return row

    def forget(self, iri: str) -> None:
        """Reads the space anew when it is asked for next: its row was written past this register."""
        self._write()
        self._spaces.pop(iri, None)
        self._undo.append(lambda: self._spaces.pop(iri, None))

    def take_rev(self, iri: str) -> int:
        """The next rev of a space of ours."""
        row = self.get(iri)
        self._change(row._replace(rev=row.rev + 1))
        return row.rev + 1

    def advance(self, iri: str, rev: int) -> None:
        """Note that `rev` of another's space arrived; keep what is missing between.

        Raises ReplayedMessage when it was there already.
        """
        row = self.get(iri)
        if rev > row.rev:
            if row.active and rev > row.rev + 1:
                self._miss(row, rev)
            self._change(row._replace(rev=rev))
        elif self.execute(_FOUND, {"space": row.id, "number": rev}).rowcount == 0 and rev >= row.first_rev:
            raise ReplayedMessage(f"rev {rev} was there before.")

    def turn(self, effect: Effect) -> None:
        """Keep what took a rev of a space of ours, so that it can be told to who comes later."""
        self.changed(effect.space.iri)
        if effect.rev is None or not effect.space.hosted:
            return
        row = self.get(effect.space.iri)
        at = int(self.now.timestamp())
        self._turns.append({"space_id": row.id, "rev": effect.rev, "activity": effect.activity.id, "at": at})
        self._undo.append(self._turns.pop)

    def changed(self, iri: str) -> None:
        """Wakes who looks at the space, after the commit."""
        space_id = self.get(iri).id
        if space_id in self._woken:
            return
        self._woken.add(space_id)
        wake, channel = self.ground.wake, f"space:{space_id}"
        events.after_commit(self.session, lambda: wake.notify(channel))

    # -- organisations

    def named(self, iri: str) -> Sequence[Named]:
        """The organisations of the roster in force with their rows, the host first."""
        row = self.find(iri)
        if row is None:
            return ()
        if row.id not in self._nodes:
            self._nodes[row.id] = tuple(
                Named(
                    each.id,
                    MemberNode(each.node, each.name, each.key, each.role, each.since, bool(each.stopped)),
                )
                for each in self.execute(_NODES, {"space": row.id})
            )
        return self._nodes[row.id]

    def hosted_with(self, node: str) -> Sequence[str]:
        """The spaces of ours in which the organisation of `node` takes part, the oldest first."""
        query = (
            select(SPACE.c.iri)
            .join(MEMBER_NODE, MEMBER_NODE.c.space_id == SPACE.c.id)
            .join(ORGANISATION, ORGANISATION.c.id == MEMBER_NODE.c.organisation_id)
            .where(SPACE.c.hosted, ORGANISATION.c.node == node)
            .order_by(SPACE.c.id)
        )
        return self.session.execute(query).scalars().all()

    def former(self, iri: str) -> Sequence[FormerNode]:
        """The organisations and keys that the roster in force names as former."""
        row = self.find(iri)
        held = None if row is None else self.execute(_ROSTER, {"number": row.id}).scalar()
        return [
            FormerNode(each["node"], each["name"], each["key"], each["until"])
            for each in (json.loads(held).get("formerNodes", ()) if held else ())
        ]

    def organisation(self, node: str, name: str, key: str) -> int:
        """The row of an organisation, made or brought up to date."""
        query = select(ORGANISATION.c.id, ORGANISATION.c.name, ORGANISATION.c.key)
        found = self.execute(query.where(ORGANISATION.c.node == node)).first()
        values = {"name": shown(name), "key": key}
        if found is None:
            made = insert(ORGANISATION).returning(ORGANISATION.c.id)
            number: int = self.execute(made, {"node": node, **values}).scalar_one()
            return number
        if (found.name, found.key) != (values["name"], key):
            self.execute(update(ORGANISATION).where(ORGANISATION.c.id == found.id).values(values))
        known: int = found.id
        return known

    # -- people

    def role(self, iri: str, actor: str) -> Role | None:
        """What `actor` is in the space now."""
        row = self.find(iri)
        if row is None:
            return None
        key = (row.id, actor)
        if key not in self._roles:
            found = self.execute(_ROLE, {"space": row.id, "name": actor}).scalar()
            self._roles[key] = None if found is None else Role(found)
        return self._roles[key]

    def expect(self, space_id: int, actor: str, participant: int, role: Role) -> None:
        """Takes what the caller has read of a member in this unit of work, so that it is not read again."""
        self._participants.setdefault(actor, participant)
        self._roles.setdefault((space_id, actor), role)

    def members(self, iri: str) -> dict[str, Role]:
        """All members of the space now, by actor."""
        return {actor: role for actor, (role, _rev) in self.standings(iri).items()}

    def standings(self, iri: str) -> dict[str, tuple[Role, int]]:
        """The same with the rev that made them so."""
        rows = self.execute(_MEMBERS, {"space": self.get(iri).id})
        return {each.iri: (Role(each.role), each.rev or 0) for each in rows}

    def participant(self, actor: str, iri: str) -> int:
        """The row of a person, made when this is the first that a space hears of him or her.

        Raises OutOfScope when no organisation of the space `iri` is at home on the origin of `actor`.
        """
        number = self._participants.get(actor)
        if number is None:
            number = self.execute(_PARTICIPANT, {"name": actor}).scalar()
            if number is None:
                number = self._enrol(actor, iri)
            self._participants[actor] = number
            self._undo.append(lambda: self._participants.pop(actor, None))
        return number

    def iri_of(self, participant: int) -> str:
        """The actor of a row. Raises LocalError when there is none."""
        found = self._actors.get(participant)
        if found is None:
            found = self.execute(_ACTOR, {"number": participant}).scalar()
            if found is None:
                raise LocalError(f"There is no participant {participant}.")
            self._actors[participant] = found
            self._undo.append(lambda: self._actors.pop(participant, None))
        return found

    def person_of(self, actor: str) -> int | None:
        """The person of ours behind an actor that some space has."""
        found: int | None = self.execute(_PERSON, {"name": actor}).scalar()
        return found

    def is_node_of(self, node: str, actor: str) -> bool:
        """Whether `node` is the node actor of the organisation of `actor`."""
        return bool(self.execute(_HOME, {"name": actor}).scalar() == node)

    def admit(self, effect: Effect, actor: str, role: Role) -> None:
        """`actor` is a member from this turn on; who is one already keeps his role."""
        self.turn(effect)
        row = self.get(effect.space.iri)
        if self.role(row.iri, actor) is None:
            self._enter(row, actor, role, effect.rev or row.rev)
            self.membership_changed(row.iri, effect.rev)

    def dismiss(self, effect: Effect, actor: str) -> None:
        """`actor` is no member from this turn on."""
        self.turn(effect)
        row = self.get(effect.space.iri)
        self._exit(row, actor, effect.rev or row.rev)
        self.membership_changed(row.iri, effect.rev)

    def set_members(
        self, row: Row, wanted: Mapping[str, Role], rev: int | None, since: Mapping[str, int] | None = None
    ) -> None:
        """Makes the members those of a roster that took `rev`, None before there is one; `since` are the revs that
        it names for them.
        """
        named = since or {}
        if rev is not None:
            self.execute(_GIVE_REV, {"space": row.id, "new_rev": rev})
        present = self.members(row.iri)
        for actor, role in wanted.items():
            if actor not in present:
                self._enter(row, actor, role, named.get(actor, rev))
            elif present[actor] is not role:
                numbers = {"space": row.id, "participant": self.participant(actor, row.iri)}
                self.execute(
                    _GIVE_ROLE, {**numbers, "new_role": role.value, "new_rev": named.get(actor, rev)}
                )
                self._set_role(row.id, actor, role)
        for actor in present.keys() - wanted.keys():
            self._exit(row, actor, rev)

    def set_nodes(self, row: Row, nodes: Iterable[MemberNode]) -> None:
        """Makes the organisations those of a roster."""
        self.execute(delete(MEMBER_NODE).where(MEMBER_NODE.c.space_id == row.id))
        rows = []
        for position, each in enumerate(nodes):
            rows.append(
                {
                    "space_id": row.id,
                    "organisation_id": self.organisation(each.node, each.name, each.key),
                    "position": position,
                    "role": each.role,
                    "since": each.since,
                    "stopped": each.stopped,
                }
            )
        if rows:
            self.execute(insert(MEMBER_NODE), rows)
        self.drop_nodes(row.id)

    def drop_nodes(self, space_id: int) -> None:
        """Reads the organisations of a space anew when they are asked for next."""
        self._nodes.pop(space_id, None)
        # What is read from here on must not outlive a savepoint that is undone.
        self._undo.append(lambda: self._nodes.pop(space_id, None))

    def membership_changed(self, iri: str, rev: int | None) -> None:
        """Notes the rev of a change of membership; it is part of the audience token (DECISIONS 1)."""
        row = self.get(iri)
        self._change(row._replace(member_rev=max(row.member_rev, rev or row.rev)))

    def learned(self, actor: str, document: Document) -> None:
        """An introduction brought a document: the person is shown by its name from now on."""
        person = said(document)
        changed = update(PARTICIPANT).where(PARTICIPANT.c.iri == actor)
        self.execute(changed.values(name=person.name, handle=person.handle))

    def renamed(self, actor: str, name: str) -> None:
        """One of ours is called otherwise from now on."""
        self.execute(update(PARTICIPANT).where(PARTICIPANT.c.iri == actor).values(name=name))

    # -- participant

    def flush(self) -> None:
        """Writes what is kept."""
        self._write()

    def _write(self) -> None:
        if self._turns:
            turns, self._turns = self._turns, []
            self._undo.append(lambda: setattr(self, "_turns", turns))
            self.execute(_TURN, turns)
        if self._moved:
            moved, self._moved = self._moved, {}
            self._undo.append(lambda: setattr(self, "_moved", moved))
            rows = [row for row in (self._spaces.get(iri) for iri in moved) if row is not None]
            self.execute(
                _MOVE,
                [
                    {
                        "number": row.id,
                        "new_rev": row.rev,
                        "new_first": row.first_rev,
                        "new_member": row.member_rev,
                    }
                    for row in rows
                ],
            )

    def _change(self, row: Row) -> None:
        before, was_moved = self._spaces.get(row.iri), row.iri in self._moved
        self._spaces[row.iri] = row
        self._moved[row.iri] = None

        def back() -> None:
            self._spaces[row.iri] = before
            if not was_moved:
                self._moved.pop(row.iri, None)

        self._undo.append(back)

    def _miss(self, row: Row, rev: int) -> None:
        since = self.now
        self.execute(
            _MISS, [{"space_id": row.id, "rev": each, "since": since} for each in range(row.rev + 1, rev)]
        )

    def _enter(self, row: Row, actor: str, role: Role, rev: int | None) -> None:
        number, at = self.participant(actor, row.iri), self.now
        again = {"space": row.id, "participant": number, "new_role": role.value, "at": at, "new_rev": rev}
        if self.execute(_ADMIT_AGAIN, again).rowcount == 0:
            self.execute(
                insert(MEMBER),
                {
                    "space_id": row.id,
                    "participant_id": number,
                    "role": role.value,
                    "since": at,
                    "until": None,
                    "rev": rev,
                },
            )
        self._set_role(row.id, actor, role)
        self._tell(number)

    def _exit(self, row: Row, actor: str, rev: int | None) -> None:
        number = self.participant(actor, row.iri)
        self.execute(_DISMISS, {"space": row.id, "participant": number, "at": self.now, "new_rev": rev})
        self._set_role(row.id, actor, None)
        self._tell(number)

    def _set_role(self, space_id: int, actor: str, role: Role | None) -> None:
        key = (space_id, actor)
        before = self._roles.get(key)
        self._roles[key] = role
        self._undo.append(lambda: self._roles.update({key: before}) if before else self._roles.pop(key, None))

    def _tell(self, participant: int) -> None:
        """Wakes the pages of somebody whose spaces change."""
        wake, channel = self.ground.wake, f"person:{self.iri_of(participant)}"
        events.after_commit(self.session, lambda: wake.notify(channel))

    def _home(self, actor: str, iri: str) -> int:
        """The row of the organisation of somebody in the space, or who was there in its past. Raises OutOfScope."""
        for each in self.named(iri):
            if iris.same_origin(each.node.node, actor):
                return each.id
        for gone in self.former(iri):
            if iris.same_origin(gone.node, actor):
                known = self.execute(
                    select(ORGANISATION.c.id).where(ORGANISATION.c.node == gone.node)
                ).scalar()
                return self.organisation(gone.node, gone.name, gone.key) if known is None else int(known)
        raise OutOfScope("The roster names no node on the origin of this actor.")

    def _enrol(self, actor: str, iri: str) -> int:
        home = self._home(actor, iri)
        person, person_id = Person("", ""), None
        ours = identity_of(self.ground).people.of_actors(self.session, [actor])
        if actor in ours:
            known = ours[actor]
            person, person_id = Person(known.name, known.preferred_username), known.id
        else:
            document = self.ground.work(self.session).actors.document(actor)
            if document is not None:
                person = said(document)
        values = {
            "iri": actor,
            "key": ids.wire_id(),
            "organisation_id": home,
            "person_id": person_id,
            "name": person.name,
            "handle": person.handle,
        }
        number: int = self.execute(insert(PARTICIPANT).returning(PARTICIPANT.c.id), values).scalar_one()
        return number


def register_of(session: Session, ground: Ground) -> Register:
    """The register of spaces in this unit of work."""
    return enlist(session, "spaces", lambda: Register(session, ground))


def said(document: Document) -> Person:
    """What an actor document says of a person, as it may be shown."""
    name, handle = document.get("name"), document.get("preferredUsername")
    return Person(
        shown(name) if isinstance(name, str) else "", shown(handle) if isinstance(handle, str) else ""
    )
