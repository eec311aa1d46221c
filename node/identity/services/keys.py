"""The keys of this node and of its actors: changed with an overlap, ended at once, kept for what they proved.

Rule: the key that signs for the node goes on signing until every partner has taken in the next one and signed that,
or an administrator goes on without those who are away: they, and after a revocation everybody, compare the fingerprint
anew. Source: PROTOCOL 2.0 (*Node key*), 2.a (*Key compromise*); SECURITY TH-08; PRODUCT D.18.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, cast

from flask_babel import lazy_gettext as _
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from federation import documents, rekeying
from federation.activity import Document
from federation.authorship import write
from federation.keys import SigningKey, fingerprint
from federation.ports import Relation
from node.core import failpoints
from node.core.audit import Act
from node.core.clock import rfc3339
from node.core.errors import Changed, Invalid
from node.core.ground import Ground
from node.core.values import value
from node.exchange import remote
from node.exchange import service as exchange
from node.exchange.service import NodeWork
from node.identity import tables
from node.identity.happenings import KeyRevoked, KeyTold, KeyToTell
from node.identity.keyring import NoSuchActor, State, new_key, public_of
from node.identity.process import once_per_ground
from node.identity.services.identity import identity_of
from node.identity.services.token_keys import token_keys_of

Told = Literal["waiting", "confirmed", "given-up"]
Word = Literal["next", "switched", "ended"]
"""What a partner was told: of the next key, that it signs from now on, that the former one has ended."""

_KEY, _NOTICE = tables.ActorKey, tables.KeyNotice


@value
class Notice:
    """What one partner was told of one key, and whether its node has taken that in; `problem` is its last answer."""

    relation: str
    node: str
    name: str
    word: Word
    state: Told
    said_at: datetime
    confirmed_at: datetime | None
    problem: str


@value
class Key:
    """A key of our node. `ends`: when it proves nothing new; `compromised` where it was revoked."""

    id: str
    state: State
    public: str
    fingerprint: str
    created_at: datetime
    began_at: datetime | None
    ends: datetime | None
    compromised: datetime | None
    notices: Sequence[Notice]

    @property
    def waits_for(self) -> list[Notice]:
        """Those who have not confirmed it yet."""
        return [each for each in self.notices if each.state == "waiting"]


@value
class Partner:
    """A partner as a change of our key would find it: `away` since, `queued` entries of ours; its own `key` now."""

    relation: str
    node: str
    name: str
    key: str
    fingerprint: str
    away: datetime | None
    queued: int
    recompare: bool


class UnderWay(Changed):
    """A change of the node's key has begun and is not done."""

    def __init__(self) -> None:
        super().__init__(_("A new key is announced already; it waits for the partners."))


class NothingUnderWay(Changed):
    """No change of the node's key has begun."""

    def __init__(self) -> None:
        super().__init__(_("No new key is announced."))


class Keys:
    """The use cases over the keys of one node. `by` is the IRI of who asks, empty on the command line."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._actors = identity_of(ground).actors
        self._node = self._actors.node_iri
        self._overlap = timedelta(days=ground.settings.key_overlap_days)

    # -- reading

    def listed(self) -> list[Key]:
        """The keys of the node, the one that signs first, then the newest first."""
        with exchange.open_reading(self._ground) as work:
            db = work.session
            names = {each.id: each.name for each in exchange.live(work)}
            rows = db.scalars(
                select(_KEY)
                .where(_KEY.actor == self._node, _KEY.use == tables.PROOF)
                .order_by(_KEY.state != State.CURRENT, _KEY.state != State.NEXT, _KEY.created_at.desc())
            )
            return [_shown(row, self._notices(db, row.key_id), names) for row in rows]

    def partners(self) -> list[Partner]:
        """Whom a change of the key concerns: the rehearsal. Changes nothing and asks nobody."""
        with exchange.open_reading(self._ground) as work:
            return [_partner(work, each) for each in exchange.live(work)]

    def flagged(self) -> list[remote.Flagged]:
        """What came from partners under a key that they have revoked since."""
        with self._ground.database.reading() as db:
            return remote.flagged(db)

    # -- a change with an overlap

    def rotate(self, by: str = "") -> None:
        """Makes the next key of the node and announces it; with no partner it signs at once. Raises UnderWay."""
        now = self._now()
        with exchange.open_work(self._ground) as work:
            if self._next(work.session) is not None:
                raise UnderWay
            key = self._add(work.session, self._node, State.NEXT, now)
            document = documents.loads(self._actors.announce_key(work.session, key, now))
            self._record(work.session, "key.announced", by, key.key_id)
            signer = self._actors.signing_key(work.session, self._node)
            self._tell(work, exchange.live(work), document, key, signer, "next")
            self._switch_when_all_know(work, by)
            failpoints.hit("key.announced")

    def go_on(self, by: str = "") -> None:
        """The next key signs from now on; those who have not confirmed it compare the fingerprint anew.

        Raises NothingUnderWay.
        """
        with exchange.open_work(self._ground) as work:
            row = self._next(work.session)
            if row is None:
                raise NothingUnderWay
            lost = self._unconfirmed(work, row.key_id)
            work.session.execute(
                update(_NOTICE)
                .where(_NOTICE.about == row.key_id, _NOTICE.confirmed_at.is_(None))
                .values(given_up_at=self._now())
            )
            former = self._switch(work, row, by)
            ends = {**former.public.method, "expires": rfc3339(self._now())}
            self._end(work, lost, former, ends, compare=True)
            self._record(work.session, "key.gone-on", by, row.key_id, without=len(lost))

    def told(self, event: KeyTold, db: Session) -> None:
        """A partner has answered what we said of our keys; the last confirmation of the next key puts it to use."""
        row = db.scalar(select(_NOTICE).where(_NOTICE.activity == event.activity))
        if row is None:
            return
        if event.problem:
            row.problem = event.problem
        else:
            row.confirmed_at, row.problem = self._now(), ""
        db.flush()
        self._record(
            db, "key.not-confirmed" if event.problem else "key.confirmed", "", row.about, peer=row.node
        )
        work = cast("NodeWork", self._ground.work(db))
        self._switch_when_all_know(work, "")
        self._forget_spent(db)
        failpoints.hit("key.told")

    def tidy(self) -> None:
        """What time brings: a key past its overlap is retired; who had to confirm may have gone."""
        now = self._now()
        with exchange.open_work(self._ground) as work:
            self._switch_when_all_know(work, "")
            past = list(
                work.session.scalars(select(_KEY).where(_KEY.state == State.FORMER, _KEY.valid_until <= now))
            )
            for row in past:
                row.state = State.RETIRED
                self._record(work.session, "key.retired", "", row.key_id)
            work.session.flush()
            if past:
                self._actors.ring.changed(work.session)
            self._forget_spent(work.session)

    def rotate_actor(self, iri: str, by: str = "") -> None:
        """A person or a space has a new key from now on, introduced before its next words. Raises NoSuchActor."""
        if iri == self._node:
            self.rotate(by)
            return
        now = self._now()
        with exchange.open_work(self._ground) as work:
            former = self._current(work.session, iri)
            self._retire(former, now)
            work.session.flush()
            key = self._add(work.session, iri, State.CURRENT, now)
            self._actors.prove_anew(work.session, iri, now)
            self._record(work.session, "key.switched", by, key.key_id)

    # -- the end at once

    def revoke(self, by: str = "", *, since: datetime | None = None) -> None:
        """The key of the node is dead from now on, compromised `since`, and so are the keys of its tokens; every
        relation is to be compared anew.

        Raises Invalid for a moment to come.
        """
        now = self._now()
        since = since or now
        if since > now:
            sentence = _("This moment is still to come.")
            raise Invalid(sentence, "compromised in future", errors={"since": sentence})
        with exchange.open_work(self._ground) as work:
            db = work.session
            signer = self._actors.signing_key(db, self._node)
            former = self._current(db, self._node)
            for row in filter(None, (former, self._next(db))):
                row.state, row.valid_until, row.compromised_since = State.REVOKED, now, since
                self._record(db, "key.revoked", by, row.key_id, since=rfc3339(since))
            db.flush()
            token_keys_of(self._ground).end(db, since, by)  # who had the one had the others
            self._add(db, self._node, State.CURRENT, now)
            self._actors.prove_all_anew(db, now)
            ends = rekeying.revoked_method(signer.public, rfc3339(now), rfc3339(since))
            self._end(work, exchange.live(work), signer, ends)

    # -- inside

    def _tell(
        self,
        work: NodeWork,
        relations: Iterable[Relation],
        document: Document,
        about: SigningKey,
        signer: SigningKey,
        word: Word,
    ) -> None:
        settings = exchange.settings_of(self._ground)
        for relation in relations:
            unwritten = {"type": "Update", "to": [relation.node], "object": document}
            said = write(unwritten, self._node, work, settings, signer)
            work.session.add(
                _NOTICE(
                    about=about.key_id,
                    relation=relation.id,
                    node=relation.node,
                    activity=said.id,
                    kind=word,
                    said_at=self._now(),
                    confirmed_at=None,
                    given_up_at=None,
                    problem="",
                )
            )
            self._ground.events.publish(KeyToTell(relation, said, signer.key_id), work.session)
        work.session.flush()

    def _switch_when_all_know(self, work: NodeWork, by: str) -> None:
        row = self._next(work.session)
        if row is None:
            return
        told = {each.relation for each in self._notices(work.session, row.key_id)}
        strangers = [each for each in exchange.live(work) if each.id not in told]
        if strangers:  # they came while the others were being asked
            key = self._actors.ring.key_named(work.session, row.key_id)
            document = documents.loads(self._actors.announce_key(work.session, key, self._now()))
            signer = self._actors.signing_key(work.session, self._node)
            self._tell(work, strangers, document, key, signer, "next")
        elif not self._unconfirmed(work, row.key_id):
            self._switch(work, row, by)

    def _switch(self, work: NodeWork, row: tables.ActorKey, by: str) -> SigningKey:
        """The next key signs; answers the former one. Those who have confirmed are told since when."""
        db, now = work.session, self._now()
        signer = self._actors.signing_key(db, self._node)
        self._retire(self._current(db, self._node), now)
        db.flush()
        row.state, row.valid_from = State.CURRENT, now
        db.flush()
        self._actors.ring.changed(db)
        self._actors.prove_all_anew(db, now)
        self._record(db, "key.switched", by, row.key_id)
        know = {each.relation for each in self._notices(db, row.key_id) if each.confirmed_at is not None}
        key = self._actors.signing_key(db, self._node)
        document = documents.loads(self._actors.node(db).document)
        self._tell(
            work, [each for each in exchange.live(work) if each.id in know], document, key, key, "switched"
        )
        failpoints.hit("key.switched")
        return signer

    def _end(
        self,
        work: NodeWork,
        relations: Sequence[Relation],
        former: SigningKey,
        ends: Document,
        *,
        compare: bool = False,
    ) -> None:
        """Tells these partners, by the last word of `former`, how it `ends`; both sides compare anew."""
        if not relations:
            return
        key = self._actors.signing_key(work.session, self._node)
        document = self._actors.unproved(work.session, self._node)
        document["assertionMethod"] = [
            ends if each["id"] == former.key_id else each for each in document["assertionMethod"]
        ]
        moment = rfc3339(self._now())
        proved = rekeying.announcement(document, former, key, moment, compare=compare)
        self._tell(work, relations, proved, key, former, "ended")
        event = KeyRevoked(tuple(each.id for each in relations))
        self._ground.events.publish(event, work.session)

    def _retire(self, row: tables.ActorKey, now: datetime) -> None:
        row.state, row.valid_until = State.FORMER, now + self._overlap

    def _forget_spent(self, db: Session) -> None:
        """A private key that has nothing more to say is gone: past its overlap, or its end told to everybody."""
        waiting = select(_NOTICE.id).where(
            _NOTICE.confirmed_at.is_(None), _NOTICE.given_up_at.is_(None), _NOTICE.kind == "ended"
        )
        if db.scalar(waiting.limit(1)) is None:
            spent = _KEY.state.in_((State.RETIRED, State.REVOKED))
            db.execute(update(_KEY).where(spent, _KEY.sealed.is_not(None)).values(sealed=None))

    def _add(self, db: Session, iri: str, state: State, now: datetime) -> SigningKey:
        key = new_key(iri, first=False)
        db.add(
            _KEY(
                key_id=key.key_id,
                actor=iri,
                use=tables.PROOF,
                kind="ed25519",
                state=state,
                public=key.public.multibase,
                sealed=self._actors.ring.sealed(key),
                created_at=now,
                valid_from=now if state is State.CURRENT else None,
                valid_until=None,
                compromised_since=None,
            )
        )
        db.flush()
        self._actors.ring.changed(db)
        return key

    def _current(self, db: Session, iri: str) -> tables.ActorKey:
        row = db.scalar(
            select(_KEY).where(_KEY.actor == iri, _KEY.use == tables.PROOF, _KEY.state == State.CURRENT)
        )
        if row is None:
            raise NoSuchActor(iri)
        return row

    def _next(self, db: Session) -> tables.ActorKey | None:
        query = select(_KEY).where(
            _KEY.actor == self._node, _KEY.use == tables.PROOF, _KEY.state == State.NEXT
        )
        return db.scalar(query)

    def _notices(self, db: Session, key_id: str) -> list[tables.KeyNotice]:
        return list(db.scalars(select(_NOTICE).where(_NOTICE.about == key_id).order_by(_NOTICE.id)))

    def _unconfirmed(self, work: NodeWork, key_id: str) -> list[Relation]:
        """The live relations that were told of the next key and have not confirmed it."""
        waiting = {each.relation for each in self._notices(work.session, key_id) if each.confirmed_at is None}
        return [each for each in exchange.live(work) if each.id in waiting]

    def _record(
        self, db: Session, action: str, by: str, key_id: str, *, peer: str = "", **detail: str | int
    ) -> None:
        self._ground.audit.append(db, Act(action, by, peer=peer, subject=key_id, detail=detail))

    def _now(self) -> datetime:
        return self._ground.clock.now()


def _shown(row: tables.ActorKey, notices: Iterable[tables.KeyNotice], names: dict[str, str]) -> Key:
    return Key(
        id=row.key_id,
        state=State(row.state),
        public=row.public,
        fingerprint=fingerprint(public_of(row).raw),
        created_at=row.created_at,
        began_at=row.valid_from,
        ends=row.valid_until,
        compromised=row.compromised_since,
        notices=[
            Notice(
                relation=each.relation,
                node=each.node,
                name=names.get(each.relation, each.node),
                word=cast("Word", each.kind),
                state="confirmed" if each.confirmed_at else "given-up" if each.given_up_at else "waiting",
                said_at=each.said_at,
                confirmed_at=each.confirmed_at,
                problem=each.problem,
            )
            for each in notices
        ],
    )


def _partner(work: NodeWork, relation: Relation) -> Partner:
    health = exchange.health(work.session, relation.id)
    return Partner(
        relation=relation.id,
        node=relation.node,
        name=relation.name,
        key=relation.keys[0].key_id,
        fingerprint=fingerprint(relation.keys[0].raw),
        away=health.since,
        queued=health.queued,
        recompare=relation.recompare,
    )


@once_per_ground
def keys_of(ground: Ground) -> Keys:
    """The use cases of this node, made once."""
    return Keys(ground)
