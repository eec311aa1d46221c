"""Partners as administrators see them: where each relation stands, since when, and whose turn it is.

Rule: reads alone. Source: PRODUCT D.15, D.16; DECISIONS 27.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from federation import ending, handshake
from federation.ports import State
from node.core.values import value
from node.identity.services.identity import identity_of
from node.relations import records
from node.relations.records import INVITE, RELATION, VERSION
from node.relations.services import messages, terms
from node.relations.services.alike import alike, is_foreign_script
from node.relations.services.desk import Desk, NoSuchPartner, host_of

SHOWN_AFTER_END = timedelta(days=30)
#: Which groups (1 to 6) each side reads aloud; both see the others.
READ_BY_INVITER = (1, 2)
READ_BY_INVITED = (3, 4)

PartnerState = Literal[
    "invited", "expired", "keys-exchanged", "verified", "offered", "in-force", "suspended", "terminating",
    "terminated", "rejected",
]  # fmt: skip

_INVITES = INVITE.c
_RELATIONS = RELATION.c
_VERSIONS = VERSION.c


@value
class Group:
    """One of the six groups; `digits` is "" while it is covered."""

    number: int
    digits: str
    read_by: Literal["us", "them", "both"]


@value
class Confirmed:
    """One side's confirmation of the fingerprint."""

    by: str
    at: datetime
    channel: str = ""


@value
class Offered:
    """An open offer; `accepted`: we have, and wait for the partner to take that in."""

    terms: terms.Terms
    by_us: bool
    at: datetime
    ends: datetime
    accepted: bool = False


@value
class Stop:
    """A suspension by one of the two; `why` in its own words, in `language` ("" when it names none)."""

    by_us: bool
    at: datetime
    why: str
    language: str


@value
class Ending:
    """Notice that was given."""

    by_us: bool
    noticed_at: datetime
    at: datetime
    disposition: str
    why: str
    language: str


@value
class Version:
    """A version that holds or once held; `approvers` are roles that the accepting side named."""

    terms: terms.Terms
    offered_by_us: bool
    approvers: Sequence[str]
    in_force_at: datetime
    replaced_at: datetime | None


@value
class Partner:
    """One relation, or an invitation that nobody has used, as an administrator sees it.

    `id` is 0 for an invitation. `waits` says why something of the handshake has not arrived ("": it has), `alike`
    names a known host that looks the same. `agreement` is the one in force, `offer` the open proposal beside it;
    `earliest_end` is when notice given today would end it; `to_renew`: it ends soon, or has run out.
    `versions`, newest first, for one partner alone.
    """

    key: str
    id: int
    state: PartnerState
    name: str
    host: str
    node: str
    hue: int | None
    created_at: datetime
    purpose: str = ""
    contract: str = ""
    contact: str = ""
    review_on: date | None = None
    expires: datetime | None = None
    groups: Sequence[Group] = ()
    ours: Confirmed | None = None
    theirs: Confirmed | None = None
    offer: Offered | None = None
    agreement: terms.Terms | None = None
    agreed_at: datetime | None = None
    note: str = ""
    waits: str = ""
    alike: str = ""
    foreign_script: bool = False
    stops: Sequence[Stop] = ()
    spaces_stopped: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The spaces (IRIs) that are stopped by "us" and by "them"."""
    ending: Ending | None = None
    ended_at: datetime | None = None
    versions: Sequence[Version] = ()
    earliest_end: datetime | None = None
    to_renew: bool = False

    @property
    def uncovered(self) -> tuple[str, ...]:
        """The six groups, or nothing while some are covered."""
        seen = tuple(group.digits for group in self.groups)
        return seen if all(seen) else ()

    @property
    def our_turn(self) -> bool:
        """Whether the next step is ours."""
        match self.state:
            case "keys-exchanged":
                return self.ours is None
            case "verified":
                return True
            case _ if self.offer is None:
                return self.to_renew
            case _:
                return not self.offer.by_us and not self.offer.accepted


class Partners(Desk):
    """What is known of each partner."""

    def everybody(self) -> list[Partner]:
        """Relations and open invitations: live ones first, the newest first."""
        with self._ground.database.reading() as session:
            since = self._now() - SHOWN_AFTER_END
            relations = session.execute(
                select(*_RELATIONS)
                .where(_RELATIONS.ended_at.is_(None) | (_RELATIONS.ended_at > since))
                .order_by(_RELATIONS.ended_at.is_not(None), _RELATIONS.id.desc())
            ).mappings()
            invites = session.execute(
                select(*_INVITES)
                .where(
                    _INVITES.used_at.is_(None), _INVITES.cancelled_at.is_(None), _INVITES.expires_at > since
                )
                .order_by(_INVITES.id.desc())
            ).mappings()
            waits = messages.waiting(session)
            hosts = self._hosts(session)
            found = [self._partner(session, row, waits, hosts) for row in relations]
            return [*(self._invited(row) for row in invites), *found]

    def turns(self) -> int:
        """How many relations wait for a step of ours; one query, as every page of an administrator asks."""
        ours = or_(
            ((_RELATIONS.state == State.KEYS_EXCHANGED) | (_RELATIONS.agreement != ""))
            & _RELATIONS.confirmed_here_at.is_(None),
            _RELATIONS.state == State.VERIFIED,
            _RELATIONS.warned_days.is_not(None) & (_RELATIONS.proposal == "") & (_RELATIONS.ends == ""),
            (_RELATIONS.proposal != "")
            & _RELATIONS.proposal_by_us.is_(False)
            & (_RELATIONS.proposal_accept == ""),
        )
        query = select(func.count()).select_from(RELATION).where(_RELATIONS.ended_at.is_(None), ours)
        with self._ground.database.reading() as session:
            return session.scalar(query) or 0

    def partner(self, key: str) -> Partner:
        """One of them. Raises NoSuchPartner."""
        with self._ground.database.reading() as session:
            row = self._row_or_none(session, key)
            if row is not None:
                seen = self._partner(session, row, messages.waiting(session), self._hosts(session))
                return replace(seen, versions=self._versions(session, row["id"]))
            return self._invited(self._invite(session, key))

    def _by_id(self, relation_id: str) -> Partner:
        with self._ground.database.reading() as session:
            row = records.by_id(session, int(relation_id))
            if row is None:
                raise NoSuchPartner(relation_id)
            return self._partner(session, row, messages.waiting(session), self._hosts(session))

    def _invited(self, row: Mapping[Any, Any]) -> Partner:
        host = row["expected_host"]
        spent = row["expires_at"] <= self._now() or row["failures"] >= handshake.MAX_FAILURES
        return Partner(
            key=row["key"],
            id=0,
            state="expired" if spent else "invited",
            name=host,
            host=host,
            node=host,
            hue=None,
            created_at=row["created_at"],
            purpose=row["purpose"],
            contract=row["contract"],
            expires=row["expires_at"],
            foreign_script=is_foreign_script(host),
        )

    def _partner(
        self, session: Session, row: Mapping[Any, Any], waits: Mapping[int, str], hosts: Sequence[str]
    ) -> Partner:
        ours, theirs = row["confirmed_here_at"], row["confirmed_there_at"]
        host = host_of(row["origin"])
        offer = self._offer(row) if row["proposal"] else None
        in_force = row["agreed_at"] is not None
        relation = records.relation_of(row)
        return Partner(
            key=row["key"],
            id=row["id"],
            state=_state(row),
            name=row["name"],
            host=host,
            node=row["node"],
            hue=row["hue"],
            created_at=row["created_at"],
            purpose=row["purpose"],
            contract=row["contract"],
            contact=row["contact"],
            review_on=row["review_on"],
            expires=offer.ends if offer else None,
            stops=_stops(row),
            spaces_stopped={
                "us": tuple(sorted(relation.stopped_here)),
                "them": tuple(sorted(relation.stopped_there)),
            },
            ending=_ending(row),
            ended_at=row["ended_at"],
            to_renew=row["warned_days"] is not None and not row["ends"] and row["ended_at"] is None,
            earliest_end=ending.earliest_end(relation, self._now()) if in_force else None,
            groups=self._groups(session, row),
            ours=Confirmed(row["confirmed_here_by"], ours, row["confirmed_channel"]) if ours else None,
            theirs=Confirmed(row["name"], theirs) if theirs else None,
            offer=offer,
            agreement=self._terms(row["agreement"], row["agreement_digest"]) if in_force else None,
            agreed_at=row["agreed_at"],
            note=row["note"],
            waits=waits.get(row["id"], ""),
            alike=alike(host, [each for each in hosts if each != host]) if not in_force else "",
            foreign_script=is_foreign_script(host),
        )

    def _terms(self, document: str, digest: str) -> terms.Terms:
        return terms.read(json.loads(document), self._settings.node, digest)

    def _offer(self, row: Mapping[Any, Any]) -> Offered:
        return Offered(
            self._terms(row["proposal"], row["proposal_digest"]),
            row["proposal_by_us"],
            row["proposed_at"],
            datetime.fromisoformat(row["proposal_ends"]),
            bool(row["proposal_accept"]),
        )

    def _versions(self, session: Session, relation_id: int) -> list[Version]:
        rows = session.execute(
            select(*_VERSIONS).where(_VERSIONS.relation_id == relation_id).order_by(_VERSIONS.version.desc())
        ).mappings()
        return [
            Version(
                self._terms(row["document"], row["digest"]),
                row["offered_by_us"],
                json.loads(row["approvers"]),
                row["in_force_at"],
                row["replaced_at"],
            )
            for row in rows
        ]

    def _digits(self, session: Session, row: Mapping[Any, Any]) -> tuple[str, ...]:
        own = identity_of(self._ground).actors.signing_key(session, self._settings.node).public
        return handshake.groups(row["invite"], own, records.relation_of(row).keys[0])

    def _groups(self, session: Session, row: Mapping[Any, Any]) -> list[Group]:
        covered = row["confirmed_here_at"] is None
        theirs = read_by_them(row)
        ours = READ_BY_INVITER if row["invited_by_us"] else READ_BY_INVITED
        return [
            Group(
                number,
                "" if covered and number in theirs else digits,
                "them" if number in theirs else "us" if number in ours else "both",
            )
            for number, digits in enumerate(self._digits(session, row), 1)
        ]


def read_by_them(row: Mapping[Any, Any]) -> tuple[int, ...]:
    """The numbers of the groups that the other side reads aloud."""
    return READ_BY_INVITED if row["invited_by_us"] else READ_BY_INVITER


def _state(row: Mapping[Any, Any]) -> PartnerState:
    """As it is shown: notice that was given while nothing has stopped yet; the comparison, when a key was revoked."""
    state: PartnerState = row["state"]
    if row["ended_at"] is None and records.relation_of(row).recompare:
        return "keys-exchanged"
    if state == "terminated" and row["agreed_at"] is None:
        return "rejected"
    return "terminating" if state == "in-force" and row["ends"] else state


def _stops(row: Mapping[Any, Any]) -> list[Stop]:
    return [
        Stop(side == "here", at, row[f"suspended_{side}_why"], row[f"suspended_{side}_language"])
        for side in ("here", "there")
        if (at := row[f"suspended_{side}_at"]) is not None
    ]


def _ending(row: Mapping[Any, Any]) -> Ending | None:
    if not row["ends"]:
        return None
    return Ending(
        row["ends_by_us"],
        row["noticed_at"],
        datetime.fromisoformat(row["ends"]),
        row["disposition"],
        row["ends_why"],
        row["ends_language"],
    )
