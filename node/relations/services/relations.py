"""Partners as doors use them: each step of the wizard is one use case, one unit of work, one line on record.

Rule: nobody is told anything before the invitation link; nothing is agreed before both admins have compared
the fingerprint, and the groups that the other reads aloud stay covered until typed (DECISIONS 27).
Source: PROTOCOL 2.a steps 1 to 5; PRODUCT D.15, B1, B2.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

from flask_babel import lazy_gettext as _
from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.orm import Session

from federation import charter, handshake, iris
from federation import exchange as log
from federation.authorship import write
from federation.errors import RemoteError
from federation.keys import PublicKey, fingerprint
from federation.ports import Invite, Relation, State
from node.core import ids
from node.core.audit import Act
from node.core.clock import rfc3339
from node.core.db import Database
from node.core.errors import Absent, Changed, Invalid, Unavailable
from node.core.ground import Ground
from node.core.log import get_logger
from node.core.secrets import same
from node.exchange import service as exchange
from node.identity.services import names
from node.identity.services.identity import identity_of
from node.relations import records
from node.relations.records import INVITE, RELATION
from node.relations.services import messages, outside, terms
from node.relations.services.alike import alike, is_foreign_script

logger = get_logger(__name__)

INVITE_FOR = timedelta(hours=72)
OFFER_FOR = timedelta(days=7)
ACCEPT_BEFORE_END = timedelta(minutes=10)  # else our Accept could arrive too late
SHOWN_AFTER_END = timedelta(days=30)
TOKEN_BYTES = 32
CHANNELS = ("phone", "in-person", "video")
#: Which groups (1 to 6) each side reads aloud; both see the others.
READ_BY_INVITER = (1, 2)
READ_BY_INVITED = (3, 4)

PartnerState = Literal[
    "invited", "expired", "keys-exchanged", "verified", "offered", "in-force", "suspended", "terminated",
    "rejected",
]  # fmt: skip

_INVITES = INVITE.c
_RELATIONS = RELATION.c


@dataclass(frozen=True, slots=True)
class By:
    """The administrator who acts: IRI (empty on the command line) and name."""

    actor: str
    name: str


@dataclass(frozen=True, slots=True)
class Group:
    """One of the six groups; `digits` is "" while it is covered."""

    number: int
    digits: str
    read_by: Literal["us", "them", "both"]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """One side's confirmation of the fingerprint."""

    by: str
    at: datetime
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """An open offer."""

    terms: terms.Terms
    by_us: bool
    at: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Partner:
    """One relation, or an invitation that nobody has used, as an administrator sees it.

    `id` is 0 for an invitation. `words_of` are the six groups once they may be seen. `waits` says why something
    of the handshake has not arrived ("" : it has), `alike` names a known host that looks the same.
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
            case "offered":
                return self.offer is not None and not self.offer.by_us
            case _:
                return False


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link just made: it is shown this once."""

    key: str
    link: str
    expires: datetime


class NoSuchPartner(Absent):
    """No relation and no open invitation has the key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"No partner {key!r}.")


class LooksAlike(Changed):
    """The host could be taken for one that we know."""

    def __init__(self, host: str, known: str) -> None:
        sentence = _("%(host)s looks like %(known)s, which you know already.", host=host, known=known)
        super().__init__(sentence, f"{host} looks like {known}", alike=known)
        self.known = known


class NotTheStep(Changed):
    """The relation is at another step than this needs; somebody was faster, or the other side moved."""

    def __init__(self, state: str) -> None:
        super().__init__(_("The relation has moved on meanwhile. Look at it again."), f"state {state}")


class Relations:
    """The use cases over one node's relations."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._settings = exchange.settings_of(ground)

    # -- reading

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
            (_RELATIONS.state == State.KEYS_EXCHANGED) & _RELATIONS.confirmed_here_at.is_(None),
            _RELATIONS.state == State.VERIFIED,
            (_RELATIONS.state == State.OFFERED) & _RELATIONS.offered_by_us.is_(False),
        )
        query = select(func.count()).select_from(RELATION).where(_RELATIONS.ended_at.is_(None), ours)
        with self._ground.database.reading() as session:
            return session.scalar(query) or 0

    def partner(self, key: str) -> Partner:
        """One of them. Raises NoSuchPartner."""
        with self._ground.database.reading() as session:
            row = self._row_or_none(session, key)
            if row is not None:
                return self._partner(session, row, messages.waiting(session), self._hosts(session))
            return self._invited(self._invite(session, key))

    # -- step 1: invite, accept

    def invite(
        self, by: By, *, host: str = "", purpose: str = "", contract: str = "", is_another: bool = False
    ) -> Invitation:
        """Makes an invitation; its link is shown once. `is_another`: the look-alike was confirmed.

        Raises Invalid (no host name), LooksAlike.
        """
        host = self._host(host) if host.strip() else ""
        token, short, key = secrets.token_bytes(TOKEN_BYTES), ids.wire_id(), ids.wire_id()
        now = self._now()
        invite = Invite(
            id=f"{self._settings.origin}/peering/invites/{short}",
            token=token,
            expires=rfc3339(now + INVITE_FOR),
            used=False,
            failures=0,
            expected_host=host or None,
        )
        with self._ground.database.writing() as session:
            known = alike(host, self._hosts(session)) if host else ""
            if known and not is_another:
                raise LooksAlike(host, known)
            session.execute(
                insert(INVITE).values(
                    key=key,
                    short=short,
                    sealed_token=self._ground.vault.seal(token, f"invite {short}"),
                    expires_at=now + INVITE_FOR,
                    expected_host=host,
                    purpose=purpose,
                    contract=contract,
                    created_by=by.actor,
                    created_at=now,
                )
            )
            self._record(session, "invite.created", by, subject=invite.id, expected=host, alike=known)
            own = identity_of(self._ground).actors.signing_key(session, self._settings.node).public
        return Invitation(key, handshake.link(invite, own), now + INVITE_FOR)

    def cancel(self, key: str, by: By) -> None:
        """Ends an invitation that nobody has used; its token is gone. Raises NoSuchPartner."""
        with self._ground.database.writing() as session:
            row = self._invite(session, key)
            session.execute(
                update(INVITE)
                .where(_INVITES.id == row["id"])
                .values(cancelled_at=self._now(), sealed_token=None)
            )
            self._record(session, "invite.cancelled", by, subject=row["short"])

    def accept(self, link: str, by: By) -> Partner:
        """Accepts a pasted link: reads their node actor, compares its key with the link, and answers.

        Raises Invalid for a link that leads nowhere, LooksAlike, Unavailable when their node does not answer.
        """
        try:
            read = handshake.read_link(link)
            origin = iris.parse(read.origin, development=self._settings.development).origin
        except RemoteError as error:
            raise _wrong_link(
                _("This is not a whole invitation link. Copy it again."), error.detail
            ) from error
        if origin == self._settings.origin:
            raise _wrong_link(_("This link is ours: it is for the other company to paste."), "own link")
        self._check_stranger(origin)
        try:
            theirs = outside.node_at(self._ground, origin)
        except outside.Unreached as error:
            raise Unavailable(
                _("Their node does not answer. Check the link, or try again later."),
                retry_after=30,
                cause=str(error),
            ) from error
        key = next((key for key in theirs.keys if fingerprint(key.raw) == read.key_fingerprint), None)
        if key is None:
            with self._ground.database.writing() as session:
                self._record(session, "invite.other-key", by, peer=theirs.id, subject=read.invite)
            raise _wrong_link(
                _("Their node shows another key than the link names. Do not go on: call them."), "other key"
            )
        relation = self._begin(read, theirs, key, by)
        self._send(relation.id)
        partner = self._by_id(relation.id)
        if partner.state == "rejected":
            raise _wrong_link(
                _("Their node does not take this invitation: it was used, cancelled, or is too old."),
                partner.note,
            )
        return partner

    def _begin(self, read: handshake.InviteLink, theirs: Any, key: PublicKey, by: By) -> Relation:
        with exchange.open_work(self._ground) as work:
            session: Session = work.session
            own = work.actors.signer(self._settings.node).public
            document = handshake.acceptance(read, theirs.id, own, self._settings)
            said = write(document, self._settings.node, work, self._settings)
            try:
                work.handshakes.introduce(theirs.id, key, read.invite)
            except RemoteError as error:
                raise _wrong_link(
                    _("You have a relation with this company already."), error.detail
                ) from error
            relation = self._live(session, theirs.id)
            relation = records.change(
                session, self._ground, int(relation.id), **_address(theirs), reached_at=self._now()
            )
            messages.keep(session, self._ground, relation, said, read.invite)
            self._record(session, "invite.accepted", by, peer=theirs.id, subject=read.invite)
            return relation

    def reach(self, relation_id: int) -> None:
        """Reads the node actor of whoever accepted our invitation, and compares the key (2.a.2).

        Raises outside.Unreached: to be tried again.
        """
        with self._ground.database.reading() as session:
            row = records.by_id(session, relation_id)
        if row is None or row["ended_at"] is not None or row["reached_at"] is not None:
            return
        theirs = outside.node_at(self._ground, row["origin"])
        known = {key.multibase for key in theirs.keys}
        agrees = theirs.id == row["node"] and set(json.loads(row["keys"])) <= known
        with self._ground.database.writing() as session:
            if not agrees:
                self._record(session, "relation.other-key", By("", ""), peer=row["node"])
                records.change(session, self._ground, relation_id, note="other-key")
                return
            records.change(session, self._ground, relation_id, **_address(theirs), reached_at=self._now())

    # -- step 3: fingerprint

    def confirm(self, key: str, typed: Mapping[int, str], channel: str, by: By) -> Partner:
        """Our admin has typed the groups that the other read aloud; confirmed when they are right.

        Raises NoSuchPartner, NotTheStep, Invalid (`errors` by `group-N` and `channel`).
        """
        errors: dict[str, Any] = {}
        if channel not in CHANNELS:
            errors["channel"] = _("Say how you spoke.")
        with exchange.open_work(self._ground) as work:
            session: Session = work.session
            row = self._row(session, key)
            if row["state"] != State.KEYS_EXCHANGED or row["confirmed_here_at"] is not None:
                raise NotTheStep(row["state"])
            digits = self._digits(session, row)
            for number in _read_by_them(row):
                if not same(typed.get(number, "").strip(), digits[number - 1]):
                    errors[f"group-{number}"] = _("Not the same. Ask them to read it again.")
            if not errors:
                relation = records.confirm(
                    session,
                    self._ground,
                    row["id"],
                    confirmed_here_at=self._now(),
                    confirmed_here_by=by.name,
                    confirmed_channel=channel,
                )
                said = handshake.confirmation(relation, work, self._settings)
                messages.keep(session, self._ground, relation, said, relation.invite)
            action = "relation.mistyped" if errors else "relation.confirmed"
            self._record(session, action, by, peer=row["node"], subject=row["invite"], channel=channel)
        if errors:
            raise Invalid(_("The groups do not match yet."), "mistyped", errors=errors)
        self._send(row["id"])
        return self.partner(key)

    def differs(self, key: str, by: By) -> None:
        """The digits differ: the relation ends here and nothing is said to whoever is there.

        Raises NoSuchPartner, NotTheStep.
        """
        with self._ground.database.writing() as session:
            row = self._row(session, key)
            if row["state"] not in {State.KEYS_EXCHANGED, State.VERIFIED}:
                raise NotTheStep(row["state"])
            records.change(
                session,
                self._ground,
                row["id"],
                state=State.TERMINATED,
                ended_at=self._now(),
                note="fingerprint-differs",
            )
            self._record(session, "relation.fingerprint-differs", by, peer=row["node"], subject=row["invite"])

    # -- step 4: charter

    def propose(self, key: str, choices: terms.Choices, by: By) -> Partner:
        """Offers a charter; an answer to theirs while one is open. Raises NoSuchPartner, NotTheStep, Invalid."""
        now = self._now()
        with exchange.open_work(self._ground) as work:
            session: Session = work.session
            row = self._row(session, key)
            relation = records.relation_of(row)
            ours, theirs = self._parties(work, row, relation)
            lineage = f"{self._settings.origin}/peering/agreements/{ids.wire_id()}"
            agreement = terms.draft(lineage, ours, theirs, choices, now)
            try:
                said = handshake.offer(relation, agreement, rfc3339(now + OFFER_FOR), work, self._settings)
            except RemoteError as error:
                raise NotTheStep(row["state"]) from error
            messages.keep(session, self._ground, relation, said, said.id)
            self._register(session, row["id"], choices)
            self._record(session, "charter.proposed", by, peer=relation.node, subject=said.id)
        self._send(row["id"])
        return self.partner(key)

    def agree(self, key: str, digest: str, by: By) -> Partner:
        """Accepts the partner's offer whose text has this digest; in force here at once.

        The Accept is entry 1 of our stream. Raises NoSuchPartner, NotTheStep (another text, too late).
        """
        with exchange.open_work(self._ground) as work:
            session: Session = work.session
            row = self._row(session, key)
            relation = records.relation_of(row)
            closes = rfc3339(self._now() + ACCEPT_BEFORE_END)
            is_open = relation.state is State.OFFERED and not relation.offered_by_us
            if not is_open or relation.agreement_digest != digest or relation.offer_ends <= closes:
                raise NotTheStep(row["state"])
            said = handshake.acceptance_of_offer(relation, work, self._settings)
            in_force = work.handshakes.in_force(relation, said)
            log.append(in_force, said, work)
            self._record(
                session, "charter.agreed", by, peer=relation.node, subject=relation.offer, digest=digest
            )
        return self.partner(key)

    def decline(self, key: str, by: By) -> Partner:
        """Says no to the partner's offer. Raises NoSuchPartner, NotTheStep."""
        with exchange.open_work(self._ground) as work:
            session: Session = work.session
            row = self._row(session, key)
            relation = records.relation_of(row)
            if relation.state is not State.OFFERED or relation.offered_by_us:
                raise NotTheStep(row["state"])
            said = handshake.rejection(relation, work, self._settings)
            messages.keep(session, self._ground, relation, said, relation.offer)
            work.handshakes.declined(relation, relation.offer)
            self._record(session, "charter.declined", by, peer=relation.node, subject=relation.offer)
        self._send(row["id"])
        return self.partner(key)

    def withdraw(self, key: str, by: By) -> Partner:
        """Takes our offer back; it stays open until the partner's node has taken that in.

        Raises NoSuchPartner, NotTheStep.
        """
        with exchange.open_work(self._ground) as work:
            session: Session = work.session
            row = self._row(session, key)
            relation = records.relation_of(row)
            if relation.state is not State.OFFERED or not relation.offered_by_us:
                raise NotTheStep(row["state"])
            said = handshake.withdrawal(relation, work, self._settings)
            messages.keep(session, self._ground, relation, said, relation.offer)
            self._record(session, "charter.withdrawn", by, peer=relation.node, subject=relation.offer)
        self._send(row["id"])
        return self.partner(key)

    def register(self, key: str, by: By, *, contact: str, review_on: date | None) -> Partner:
        """What our register says beside the charter. Raises NoSuchPartner."""
        with self._ground.database.writing() as session:
            row = self._row(session, key)
            records.change(session, self._ground, row["id"], contact=contact, review_on=review_on)
            self._record(session, "relation.registered", by, peer=row["node"])
        return self.partner(key)

    def resume(self, key: str, by: By) -> Partner:
        """Tries again at once: delivery, whatever stopped it, and what could not be applied here.

        Raises NoSuchPartner, NotTheStep (no agreement is in force).
        """
        with exchange.open_work(self._ground) as work:
            row = self._row(work.session, key)
            if row["state"] != State.IN_FORCE:
                raise NotTheStep(row["state"])
            exchange.resume(work, str(row["id"]))
            self._record(work.session, "delivery.resumed", by, peer=row["node"])
        return self.partner(key)

    def forget_tokens(self) -> int:
        """Erases the tokens of invitations that have expired; how many."""
        with self._ground.database.writing() as session:
            expired = session.execute(
                update(INVITE)
                .where(_INVITES.expires_at <= self._now(), _INVITES.sealed_token.is_not(None))
                .values(sealed_token=None)
            )
            return int(expired.rowcount)  # type: ignore[attr-defined]  # a CursorResult, for an UPDATE

    # -- inside

    def _now(self) -> datetime:
        return self._ground.clock.now()

    def _send(self, relation_id: int | str) -> None:
        problem = messages.send(self._ground, int(relation_id))
        if problem:
            logger.info("handshake.not-taken", relation=relation_id, cause=problem)

    def _record(
        self,
        session: Session,
        action: str,
        by: By,
        *,
        peer: str = "",
        subject: str = "",
        digest: str = "",
        **detail: str,
    ) -> None:
        told = {name: value for name, value in detail.items() if value}
        act = Act(action, by.actor, peer, subject, digest=digest, detail=told)
        self._ground.audit.append(session, act)

    def _host(self, typed: str) -> str:
        """The canonical host of what was typed: a host, or an address. Raises Invalid."""
        host = typed.strip().partition("://")[2] or typed.strip()
        try:
            return iris.canonical_host(host.partition("/")[0].partition(":")[0])
        except RemoteError as error:
            sentence = _("This is not the address of a node.")
            raise Invalid(sentence, error.detail, errors={"domain": sentence}) from error

    def _hosts(self, session: Session) -> list[str]:
        """Our own host and those of the partners."""
        live = session.scalars(select(_RELATIONS.origin).where(_RELATIONS.ended_at.is_(None)))
        return [_host_of(each) for each in (self._settings.origin, *live)]

    def _check_stranger(self, origin: str) -> None:
        with self._ground.database.reading() as session:
            hosts = self._hosts(session)
        known = alike(_host_of(origin), hosts)
        if known:
            with self._ground.database.writing() as session:
                self._record(session, "invite.alike", By("", ""), subject=origin, alike=known)
            raise LooksAlike(_host_of(origin), known)

    def _row_or_none(self, session: Session, key: str) -> Mapping[Any, Any] | None:
        query = select(*_RELATIONS).where(_RELATIONS.key == key)
        return session.execute(query.order_by(_RELATIONS.id.desc())).mappings().first()

    def _row(self, session: Session, key: str) -> Mapping[Any, Any]:
        row = self._row_or_none(session, key)
        if row is None:
            raise NoSuchPartner(key)
        if row["ended_at"] is not None:
            raise NotTheStep(row["state"])
        return row

    def _live(self, session: Session, node: str) -> Relation:
        row = records.live(session, node)
        if row is None:
            raise NoSuchPartner(node)
        return records.relation_of(row)

    def _by_id(self, relation_id: str) -> Partner:
        with self._ground.database.reading() as session:
            row = records.by_id(session, int(relation_id))
            if row is None:
                raise NoSuchPartner(relation_id)
            return self._partner(session, row, messages.waiting(session), self._hosts(session))

    def _invite(self, session: Session, key: str) -> Mapping[Any, Any]:
        query = select(*_INVITES).where(
            _INVITES.key == key, _INVITES.used_at.is_(None), _INVITES.cancelled_at.is_(None)
        )
        row = session.execute(query).mappings().first()
        if row is None:
            raise NoSuchPartner(key)
        return row

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
        host = _host_of(row["origin"])
        state: PartnerState = row["state"]
        offer = self._offer(row) if state == "offered" else None
        in_force = row["agreed_at"] is not None
        return Partner(
            key=row["key"],
            id=row["id"],
            state="rejected" if state == "terminated" and not in_force else state,
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
            groups=self._groups(session, row),
            ours=Confirmed(row["confirmed_here_by"], ours, row["confirmed_channel"]) if ours else None,
            theirs=Confirmed(row["name"], theirs) if theirs else None,
            offer=offer,
            agreement=self._terms(row) if in_force else None,
            agreed_at=row["agreed_at"],
            note=row["note"],
            waits=waits.get(row["id"], ""),
            alike=alike(host, [each for each in hosts if each != host]) if state != "in-force" else "",
            foreign_script=is_foreign_script(host),
        )

    def _terms(self, row: Mapping[Any, Any]) -> terms.Terms:
        return terms.read(json.loads(row["agreement"]), self._settings.node, row["agreement_digest"])

    def _offer(self, row: Mapping[Any, Any]) -> Offered:
        ends = datetime.fromisoformat(row["offer_ends"])
        return Offered(self._terms(row), row["offered_by_us"], row["offered_at"], ends)

    def _digits(self, session: Session, row: Mapping[Any, Any]) -> tuple[str, ...]:
        own = identity_of(self._ground).actors.signing_key(session, self._settings.node).public
        return handshake.groups(row["invite"], own, records.relation_of(row).keys[0])

    def _groups(self, session: Session, row: Mapping[Any, Any]) -> list[Group]:
        covered = row["confirmed_here_at"] is None
        theirs = _read_by_them(row)
        ours = READ_BY_INVITER if row["invited_by_us"] else READ_BY_INVITED
        return [
            Group(
                number,
                "" if covered and number in theirs else digits,
                "them" if number in theirs else "us" if number in ours else "both",
            )
            for number, digits in enumerate(self._digits(session, row), 1)
        ]

    def _parties(
        self, work: Any, row: Mapping[Any, Any], relation: Relation
    ) -> tuple[charter.Party, charter.Party]:
        settings = self._settings
        own = work.actors.signer(settings.node).public
        ours = charter.Party(
            node=settings.node,
            legal_name=settings.name,
            role="host",
            domains=(),
            issuer=settings.origin,
            keys=(own.multibase,),
            stream=f"{settings.origin}/streams/{ids.wire_id()}",
            contact=f"{settings.origin}/",
        )
        theirs = replace(
            ours,
            node=relation.node,
            legal_name=relation.name,
            role="partner",
            issuer=row["origin"],
            keys=tuple(key.multibase for key in relation.keys),
            stream=f"{row['origin']}/streams/{ids.wire_id()}",
            contact=f"{row['origin']}/",
        )
        return ours, theirs

    def _register(self, session: Session, relation_id: int, choices: terms.Choices) -> None:
        kept = {name: value for name in ("purpose", "contract") if (value := getattr(choices, name))}
        if kept:
            records.change(session, self._ground, relation_id, **kept)


def _read_by_them(row: Mapping[Any, Any]) -> tuple[int, ...]:
    return READ_BY_INVITED if row["invited_by_us"] else READ_BY_INVITER


def _address(theirs: Any) -> dict[str, str]:
    """What a node actor says of itself, as columns."""
    return {
        "name": names.shown(theirs.name) or _host_of(theirs.origin),
        "inbox": theirs.inbox,
        "exchange": theirs.exchange or f"{theirs.origin}/exchange",
    }


def _host_of(origin: str) -> str:
    return origin.partition("://")[2].partition(":")[0]


def _wrong_link(sentence: Any, cause: str) -> Invalid:
    return Invalid(sentence, cause, errors={"link": sentence})


GROUNDS_KEPT = 8  # a process has one; a test of several nodes has a few

_made: dict[Database, Relations] = {}
_making = threading.Lock()


def relations_of(ground: Ground) -> Relations:
    """The use cases of this node, made once."""
    found = _made.get(ground.database)
    if found is None:
        with _making:
            while len(_made) >= GROUNDS_KEPT:
                del _made[next(iter(_made))]
            found = _made.setdefault(ground.database, Relations(ground))
    return found
