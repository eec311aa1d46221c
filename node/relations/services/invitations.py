"""Invitations: a link is made, a link is pasted, the node behind it is read (PROTOCOL 2.a, steps 1 and 2).

Rule: nobody is told anything before the invitation link; a token stands sealed until it is of no more use.
Source: PRODUCT D.15; SECURITY TH-17, C14.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from flask_babel import lazy_gettext as _
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from federation import handshake, iris
from federation.authorship import write
from federation.errors import RemoteError
from federation.keys import PublicKey, fingerprint
from federation.ports import Invite, Relation
from node.core import ids
from node.core.clock import rfc3339
from node.core.errors import Changed, Invalid, Unavailable
from node.core.values import value
from node.exchange import service as exchange
from node.identity.services import names
from node.identity.services.identity import identity_of
from node.relations import records
from node.relations.records import INVITE
from node.relations.services import messages, outside
from node.relations.services.alike import alike
from node.relations.services.desk import By, host_of
from node.relations.services.partners import Partner, Partners

INVITE_FOR = timedelta(hours=72)
TOKEN_BYTES = 32

_INVITES = INVITE.c


@value
class Invitation:
    """A link just made: it is shown this once."""

    key: str
    link: str
    expires: datetime


class LooksAlike(Changed):
    """The host could be taken for one that we know."""

    def __init__(self, host: str, known: str) -> None:
        sentence = _("%(host)s looks like %(known)s, which you know already.", host=host, known=known)
        super().__init__(sentence, f"{host} looks like {known}", alike=known)
        self.known = known


class Invitations(Partners):
    """The use cases from a link to two nodes that have each other's key."""

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
        agrees = (
            theirs.id == row["node"] and {key.multibase for key in records.relation_of(row).keys} <= known
        )
        with self._ground.database.writing() as session:
            if not agrees:
                self._record(session, "relation.other-key", By("", ""), peer=row["node"])
                records.change(session, self._ground, relation_id, note="other-key")
                return
            records.change(session, self._ground, relation_id, **_address(theirs), reached_at=self._now())

    def forget_tokens(self) -> int:
        """Erases the tokens of invitations that have expired; how many."""
        with self._ground.database.writing() as session:
            expired = session.execute(
                update(INVITE)
                .where(_INVITES.expires_at <= self._now(), _INVITES.sealed_token.is_not(None))
                .values(sealed_token=None)
            )
            return int(expired.rowcount)  # type: ignore[attr-defined]  # a CursorResult, for an UPDATE

    def _host(self, typed: str) -> str:
        """The canonical host of what was typed: a host, or an address. Raises Invalid."""
        host = typed.strip().partition("://")[2] or typed.strip()
        try:
            return iris.canonical_host(host.partition("/")[0].partition(":")[0])
        except RemoteError as error:
            sentence = _("This is not the address of a node.")
            raise Invalid(sentence, error.detail, errors={"domain": sentence}) from error

    def _check_stranger(self, origin: str) -> None:
        with self._ground.database.reading() as session:
            hosts = self._hosts(session)
        known = alike(host_of(origin), hosts)
        if known:
            with self._ground.database.writing() as session:
                self._record(session, "invite.alike", By("", ""), subject=origin, alike=known)
            raise LooksAlike(host_of(origin), known)


def _address(theirs: Any) -> dict[str, str]:
    """What a node actor says of itself, as columns."""
    return {
        "name": names.shown(theirs.name) or host_of(theirs.origin),
        "inbox": theirs.inbox,
        "exchange": theirs.exchange or f"{theirs.origin}/exchange",
    }


def _wrong_link(sentence: Any, cause: str) -> Invalid:
    return Invalid(sentence, cause, errors={"link": sentence})
