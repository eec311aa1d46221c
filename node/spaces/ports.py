"""The answer of spaces to `federation.ports.Spaces`: the life of a space as the walks drive it (PROTOCOL 2.j)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from federation import digest, documents
from federation import roster as rosters
from federation.activity import Activity, Document
from federation.errors import Malformed, OutOfScope, ReplayedMessage, RosterOutdated
from federation.ports import Effect, FormerNode, MemberNode, Relation, Role, Space
from node.core import ids
from node.core.db import table_of
from node.core.ground import Ground
from node.identity.services.names import shown
from node.spaces import tables
from node.spaces.happenings import Accepted, RosterStale
from node.spaces.plain import plain_text
from node.spaces.register import INVITATION, MEMBER, MEMBER_NODE, PARTICIPANT, SPACE, Row, register_of
from node.spaces.services import forks

REQUEST = table_of(tables.JoinRequest)
ASKED = table_of(tables.Asked)
ORGANISATION = table_of(tables.Organisation)

MAX_PURPOSE_CHARS = 500
MAX_TERMS = 10
MAX_TERM_CHARS = 300


class Spaces:
    """Answers `ports.Spaces`."""

    def __init__(self, session: Session, ground: Ground) -> None:
        self._register = register_of(session, ground)
        self._session, self._ground = session, ground
        self._node = f"{ground.settings.origin}/actor"

    def get(self, iri: str) -> Space | None:
        found = self._register.find(iri)
        return None if found is None else found.value()

    def take_rev(self, space: Space) -> int:
        return self._register.take_rev(space.iri)

    def advance(self, space: Space, rev: int) -> None:
        self._register.advance(space.iri, rev)

    def role(self, space: str, actor: str) -> Role | None:
        return self._register.role(space, actor)

    def members(self, space: str) -> Sequence[str]:
        return list(self._register.members(space)) if self._register.find(space) is not None else ()

    def nodes(self, space: str) -> Sequence[MemberNode]:
        return [each.node for each in self._register.named(space)]

    def hosted_with(self, node: str) -> Sequence[str]:
        return self._register.hosted_with(node)

    def former(self, space: str) -> Sequence[FormerNode]:
        return self._register.former(space)

    def admit(self, effect: Effect, actor: str, role: Role) -> None:
        self._register.admit(effect, actor, role)
        self._execute(delete(REQUEST).where(*self._request_of(effect, actor)))

    def dismiss(self, effect: Effect, actor: str) -> None:
        self._register.dismiss(effect, actor)

    def request(self, effect: Effect) -> None:
        """Who is in asks for nothing; who asks again has one request, the newest."""
        row = self._register.get(effect.space.iri)
        if self._register.role(row.iri, effect.actor) is not None:
            return
        said = {"activity": effect.activity.id, "at": self._register.now}
        again = update(REQUEST).where(*self._request_of(effect, effect.actor)).values(said)
        if self._execute(again).rowcount == 0:
            values = {
                **said,
                "key": ids.wire_id(),
                "space_id": row.id,
                "participant_iri": effect.actor,
                "node": self._node if effect.relation is None else effect.relation.node,
            }
            self._execute(insert(REQUEST), values)
        self._register.changed(row.iri)

    def request_answered(self, request: str, *, accepted: bool) -> None:
        answered = update(ASKED).where(ASKED.c.activity == request)
        state = "accepted" if accepted else "declined"
        self._execute(answered.values(state=state, answered_at=self._register.now))

    def _request_of(self, effect: Effect, actor: str) -> tuple[Any, Any]:
        row = self._register.get(effect.space.iri)
        return REQUEST.c.space_id == row.id, REQUEST.c.participant_iri == actor

    def roster(self, effect: Effect, roster: Document) -> None:
        row = self._register.get(effect.space.iri)
        here = any(each["node"] == self._node for each in roster["nodes"])
        enters = self._check_follows(row, roster, here=here)
        self._register.turn(effect)
        rev = effect.rev or row.rev
        # The order of the space is written first: what follows reads the row anew.
        self._register.forget(row.iri)
        changed = update(SPACE).where(SPACE.c.id == row.id)
        self._execute(
            changed.values(
                roster=json.dumps(roster, ensure_ascii=False, separators=(",", ":")),
                roster_version=roster["version"],
                state="active" if here else "left",
            )
        )
        if enters:
            self._execute(changed.values(first_rev=rev))
            self._execute(delete(tables.MissingRev).where(tables.MissingRev.space_id == row.id))
        self._register.set_nodes(row, rosters.nodes_of(roster))
        wanted = {each["actor"]: Role(each["role"]) for each in roster["members"]}
        since = {each["actor"]: each["rev"] for each in roster["members"] if "rev" in each}
        self._register.set_members(row, wanted if here else {}, rev, since)
        self._register.membership_changed(row.iri, rev)

    def invited(self, relation: Relation, invite: Activity, group: Document) -> None:
        register, now = self._register, self._register.now
        known = register.find(invite.actor)
        if known is not None and known.host != relation.node:
            raise OutOfScope("Another node hosts this space.")
        host = register.organisation(relation.node, relation.name, relation.keys[0].multibase)
        described = {
            "name": shown(str(group.get("name") or "")) or invite.actor,
            "purpose": plain_text(group.get("summary"))[:MAX_PURPOSE_CHARS],
        }
        if known is None:
            values: dict[str, Any] = {
                "key": ids.wire_id(),
                "iri": invite.actor,
                "host_id": host,
                "hosted": False,
                "rev": 0,
                "first_rev": 0,
                "roster_version": 0,
                "roster": "",
                "member_rev": 0,
                "state": "invited",
                "history_from": None,
                "created_at": now,
                **described,
            }
            self._execute(insert(SPACE), values)
        elif not known.active:
            self._execute(update(SPACE).where(SPACE.c.id == known.id).values(state="invited", **described))
        register.forget(invite.actor)
        history, day = _history(group.get("historyFrom"))
        row = {
            "key": ids.wire_id(),
            "activity": invite.id,
            "outgoing": False,
            "space_id": register.get(invite.actor).id,
            "organisation_id": host,
            "state": "open",
            "history": history,
            "history_from": day,
            "terms": _terms(group),
            "entered_rev": 0,
            "told_rev": 0,
            "told": 0,
            "to_tell": 0,
            "at": now,
            "answered_at": None,
            "accepting": "",
        }
        self._execute(insert(INVITATION), row)

    def invitation(self, invite: str) -> tuple[Space, str] | None:
        query = (
            select(SPACE.c.iri, ORGANISATION.c.node)
            .select_from(INVITATION)
            .join(SPACE, SPACE.c.id == INVITATION.c.space_id)
            .join(ORGANISATION, ORGANISATION.c.id == INVITATION.c.organisation_id)
            .where(INVITATION.c.activity == invite, INVITATION.c.outgoing, INVITATION.c.state == "open")
        )
        found = self._execute(query).first()
        return None if found is None else (self._register.get(found.iri).value(), found.node)

    def answered(self, relation: Relation, invite: str, *, accepted: bool) -> None:  # noqa: ARG002
        state = "accepted" if accepted else "rejected"
        changed = (
            update(INVITATION)
            .where(INVITATION.c.activity == invite, INVITATION.c.state == "open")
            .values(state=state, answered_at=self._register.now)
            .returning(INVITATION.c.id)
        )
        number = self._execute(changed).scalar()
        if accepted and number is not None:
            self._ground.events.publish(Accepted(number), self._session)

    def left(self, relation: Relation, space: Space) -> None:
        row = self._register.get(space.iri)
        gone = next((each for each in self._register.named(row.iri) if each.node.node == relation.node), None)
        if gone is None:
            raise ReplayedMessage("The organisation is not on the roster.")
        at_home = (
            select(PARTICIPANT.c.iri)
            .select_from(MEMBER.join(PARTICIPANT, PARTICIPANT.c.id == MEMBER.c.participant_id))
            .where(
                MEMBER.c.space_id == row.id,
                MEMBER.c.until.is_(None),
                PARTICIPANT.c.organisation_id == gone.id,
            )
        )
        leaving = set(self._execute(at_home).scalars())
        members = self._register.members(row.iri)
        self._register.set_members(
            row, {actor: role for actor, role in members.items() if actor not in leaving}, None
        )
        self._execute(
            delete(MEMBER_NODE).where(
                MEMBER_NODE.c.space_id == row.id, MEMBER_NODE.c.organisation_id == gone.id
            )
        )
        self._register.drop_nodes(row.id)
        self._register.membership_changed(row.iri, None)
        self._register.changed(row.iri)
        self._ground.events.publish(RosterStale(row.id), self._session)

    def _execute(self, statement: Any, parameters: Any = None) -> Any:
        return self._register.execute(statement, parameters)

    def _check_follows(self, row: Row, roster: Document, *, here: bool) -> bool:
        """Whether our organisation enters with this version.

        Raises RosterOutdated, and OutOfScope when our admin never accepted the space.
        """
        held = self._execute(select(SPACE.c.roster).where(SPACE.c.id == row.id)).scalar_one()
        ours = json.loads(held) if held else None
        previous = None if ours is None else digest.digest(ours)
        follows = (roster["version"], roster["previousVersion"]) == (row.roster_version + 1, previous)
        enters = not row.active and roster["version"] > row.roster_version
        if not (follows or enters):
            if ours is not None and not row.hosted and rosters.parts(ours, roster):
                # A unit of work of its own: this one is undone.
                theirs = json.dumps(roster, ensure_ascii=False, separators=(",", ":"))
                self._ground.jobs.enqueue(forks.keep, row.id, theirs, row.host)
            raise RosterOutdated("It does not follow the roster in force.", version=row.roster_version)
        if enters and here and not self._is_welcome(row.id):
            raise OutOfScope("We have not accepted this space.")
        return enters

    def _is_welcome(self, space_id: int) -> bool:
        accepted = select(INVITATION.c.id).where(
            INVITATION.c.space_id == space_id,
            INVITATION.c.outgoing.is_(False),
            INVITATION.c.state == "accepted",
        )
        return self._execute(accepted).first() is not None


def _history(value: object) -> tuple[str, date | None]:
    """none, or from a day, as the Invite says it (`historyFrom`: null, or a date)."""
    if value is None:
        return "none", None
    try:
        return "from", date.fromisoformat(str(value)[:10])
    except ValueError as error:
        raise Malformed("`historyFrom` is null, or a date.") from error


def _terms(group: Document) -> str:
    retention = [
        plain_text(each)[:MAX_TERM_CHARS] for each in documents.as_list(group.get("retention"))[:MAX_TERMS]
    ]
    shares = [
        [shown(str(each.get("name") or "")), max(0, each["count"])]
        for each in documents.as_list(group.get("audienceSize"))[:MAX_TERMS]
        if isinstance(each, dict) and isinstance(each.get("count"), int)
    ]
    return json.dumps({"retention": retention, "shares": shares}, ensure_ascii=False)
