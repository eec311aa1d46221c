"""Who reads what is said in a space: THE one function, for the preview and for what is held to it (PRODUCT B4).

Rule: whoever shows, counts or checks readers asks here, and here alone. A token names the list that a writer saw; when
it no longer holds, nothing is stored and nothing leaves. Source: DECISIONS 1; PROTOCOL 2.j; SECURITY TH-14, TH-15.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from flask_babel import lazy_gettext as _
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from federation import jcs
from federation.ports import Role
from node.core.db import table_of
from node.core.errors import Changed
from node.core.ground import Ground
from node.core.values import value
from node.relations.records import known
from node.spaces import tables

SPACE = table_of(tables.Space)
ORGANISATION = table_of(tables.Organisation)
PARTICIPANT = table_of(tables.Participant)
MEMBER = table_of(tables.Member)
MEMBER_NODE = table_of(tables.MemberNode)

_PEOPLE = (
    select(
        PARTICIPANT.c.id,
        PARTICIPANT.c.iri,
        PARTICIPANT.c.key,
        PARTICIPANT.c.name,
        PARTICIPANT.c.handle,
        PARTICIPANT.c.person_id,
        ORGANISATION.c.id.label("organisation_id"),
        ORGANISATION.c.node,
        MEMBER.c.role,
        MEMBER.c.since,
        MEMBER.c.until,
    )
    .select_from(
        MEMBER.join(PARTICIPANT, PARTICIPANT.c.id == MEMBER.c.participant_id).join(
            ORGANISATION, ORGANISATION.c.id == PARTICIPANT.c.organisation_id
        )
    )
    .where(MEMBER.c.space_id == bindparam("space"))
)
_ORGANISATIONS = (
    select(ORGANISATION.c.id, ORGANISATION.c.node, ORGANISATION.c.name, MEMBER_NODE.c.stopped)
    .select_from(MEMBER_NODE.join(ORGANISATION, ORGANISATION.c.id == MEMBER_NODE.c.organisation_id))
    .where(MEMBER_NODE.c.space_id == bindparam("space"))
    .order_by(MEMBER_NODE.c.position)
)
_SPACE = select(SPACE.c.iri, SPACE.c.member_rev).where(SPACE.c.id == bindparam("space"))


@value
class Organisation:
    """An organisation on the roster in force."""

    id: int
    node: str
    name: str


@value
class Reader:
    """A person who reads. `person_id` for our own, `name` empty while nobody introduced him or her."""

    id: int
    iri: str
    key: str
    name: str
    handle: str
    person_id: int | None
    organisation_id: int
    node: str
    role: Role
    since: datetime
    until: datetime | None


@value
class Audience:
    """Who reads now: people, their organisations on the roster (one may have no reader yet), and the token of both."""

    people: Sequence[Reader]
    organisations: Sequence[Organisation]
    token: str
    went: Sequence[Reader] = ()
    """Who was a reader before and is none now: for saying what has changed."""
    apart: Sequence[Reader] = ()
    """Members who read nothing now: exchange with their organisation is stopped in this space."""


@value
class Difference:
    """What became of a list since somebody saw it."""

    came: Sequence[Reader]
    went: Sequence[Reader]
    before: int


class AudienceChanged(Changed):
    """Others would read this than the writer saw: nothing was stored. `difference` says who."""

    def __init__(self, audience: Audience, difference: Difference) -> None:
        super().__init__(
            _("Who will read this has changed meanwhile. Nothing has been sent."),
            came=[each.name or each.iri for each in difference.came],
            went=[each.name or each.iri for each in difference.went],
        )
        self.audience, self.difference = audience, difference


def audience(session: Session, ground: Ground, space_id: int) -> Audience:
    """Who reads what is said in the space from now on, in this unit of work."""
    execute = session.connection().execute
    iri, rev = execute(_SPACE, {"space": space_id}).one()
    partners = known(session, ground).by_node
    rows = execute(_ORGANISATIONS, {"space": space_id}).all()
    here = f"{ground.settings.origin}/actor"
    told = {row.node for row in rows if row.stopped and row.node != here}  # by the host: we may not know them
    stopped = {node for node, relation in partners.items() if iri in relation.stopped} | told
    present: list[Reader] = []
    apart: list[Reader] = []
    gone: list[Reader] = []
    for row in execute(_PEOPLE, {"space": space_id}):
        reader = Reader(*row[:8], Role(row.role), row.since, row.until)
        (gone if row.until else apart if reader.node in stopped else present).append(reader)
    organisations = [Organisation(*row[:3]) for row in rows]
    for people in (present, apart):
        people.sort(key=lambda each: (each.name.casefold(), each.iri))
    reading = [each for each in organisations if each.node not in stopped]
    return Audience(present, reading, token_of(present, rev), gone, apart)


def token_of(people: Sequence[Reader], rev: int) -> str:
    """SHA-256 over JCS of the sorted (person, organisation, role) and the rev of membership (DECISIONS 1)."""
    listed = sorted([each.iri, each.node, each.role.value] for each in people)
    return hashlib.sha256(jcs.canonicalize({"people": listed, "rev": rev})).hexdigest()


def stamped(token: str, now: datetime) -> str:
    """The token with the moment at which it was shown, so that what changed since can be named."""
    return f"{token}.{int(now.timestamp() * 1000):x}"


def check(now: Audience, stamp: str) -> None:
    """That the list which a writer saw still holds. Raises AudienceChanged."""
    token, _dot, moment = stamp.partition(".")
    if token != now.token:
        raise AudienceChanged(now, difference(now, moment))


def difference(now: Audience, moment: str) -> Difference:
    """Who came and went since `moment` (milliseconds, hexadecimal; anything else: nobody is named)."""
    try:
        seen = datetime.fromtimestamp(int(moment, 16) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        seen = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
    came = [each for each in now.people if each.since > seen]
    went = [each for each in now.went if each.until is not None and each.until > seen >= each.since]
    if not (came or went):
        went = list(now.apart)  # nobody came or went, so it is the exchange with these that was stopped
    return Difference(came, went, len(now.people) - len(came) + len(went))
