"""Sessions on our side of the cookie: begun, found, ended; an end holds from the next request on.

Rule: the cookie carries 256 random bits, the row their hash; a sign-in always begins a new session, so no
id that was there before is worth anything after. Source: SECURITY TH-45, I11, I17–I19.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from flask_babel import lazy_gettext as _
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from federation import documents
from federation.authn import SignIn
from node.core.errors import Absent, NodeError
from node.core.secrets import hash_of, new_secret
from node.core.values import value
from node.identity import tables
from node.identity.services.people import AccountClosed, People, Person

SEEN_EVERY = timedelta(minutes=1)  # `seen_at` is written at most so often: reading a page writes nothing
ENDED_KEPT = timedelta(days=30)
MAX_USER_AGENT_CHARS = 255
MAX_KEPT_BYTES = 4096


@value
class Lifetimes:
    """How long a session lives: `idle` since it was last seen, `absolute` since it began."""

    idle: timedelta
    absolute: timedelta


@value
class LiveSession:
    """A session that holds now. `kept` is what pages keep in it (notices, for one)."""

    id: int
    person: Person
    provider: str | None
    sign_in: SignIn
    created_at: datetime
    seen_at: datetime
    user_agent: str
    kept: dict[str, Any]


@value
class Begun:
    """How a session came to be, for `Sessions.begin`."""

    person_id: int
    user_agent: str
    sign_in: SignIn
    provider: str | None = None
    provider_session: str | None = None
    state: str | None = None


class StateUsed(NodeError):
    """The answer of a provider was already used for a sign-in."""

    def __init__(self) -> None:
        super().__init__(_("This sign-in was already used. Start again."), "The state was used before.")


class Sessions:
    """The sessions of one node over their table."""

    def __init__(self, people: People, lifetimes: Lifetimes) -> None:
        self._people = people
        self.lifetimes = lifetimes

    def begin(self, db: Session, begun: Begun, now: datetime) -> str:
        """Begins a session and gives the secret for its cookie.

        Raises StateUsed when a session was begun with the same state, AccountClosed, NoSuchPerson.
        """
        person = self._people.get(db, begun.person_id)
        if person.disabled_at is not None:
            raise AccountClosed(person.id)
        db.execute(delete(tables.Session).where(tables.Session.expires_at < now - ENDED_KEPT))
        secret = new_secret()
        row = tables.Session(
            secret_hash=hash_of(secret),
            person_id=begun.person_id,
            provider=begun.provider,
            provider_session=begun.provider_session,
            state_hash=hash_of(begun.state) if begun.state else None,
            idp=begun.sign_in.idp,
            acr=begun.sign_in.acr,
            amr=" ".join(begun.sign_in.amr),
            auth_time=begun.sign_in.auth_time,
            email_domain=begun.sign_in.email_domain,
            created_at=now,
            seen_at=now,
            expires_at=now + self.lifetimes.absolute,
            revoked_at=None,
            user_agent=begun.user_agent[:MAX_USER_AGENT_CHARS],
            kept="{}",
        )
        try:
            with db.begin_nested():
                db.add(row)
        except IntegrityError as cause:
            raise StateUsed from cause
        return secret

    def find(self, db: Session, secret: str, now: datetime) -> LiveSession | None:
        """The session of the cookie, or None when it ended, expired, or its person has left."""
        query = (
            select(tables.Session, tables.Person)
            .join(tables.Person, tables.Person.id == tables.Session.person_id)
            .where(
                tables.Session.secret_hash == hash_of(secret),
                tables.Session.revoked_at.is_(None),
                tables.Session.expires_at > now,
                tables.Session.seen_at > now - self.lifetimes.idle,
                tables.Person.disabled_at.is_(None),
            )
        )
        found = db.execute(query).one_or_none()
        return None if found is None else _live(found[0], self._people.value(found[1]))

    def seen(self, db: Session, session_id: int, now: datetime) -> None:
        """Notes that the session was used; callers ask `is_due` first."""
        db.execute(update(tables.Session).where(tables.Session.id == session_id).values(seen_at=now))

    def keep(self, db: Session, session_id: int, kept: dict[str, Any]) -> None:
        """Stores what pages keep in the session; ValueError beyond 4 KiB."""
        text = json.dumps(kept, separators=(",", ":"))
        if len(text.encode()) > MAX_KEPT_BYTES:
            raise ValueError(f"A session keeps at most {MAX_KEPT_BYTES} bytes.")
        db.execute(update(tables.Session).where(tables.Session.id == session_id).values(kept=text))

    def renew(self, db: Session, session_id: int) -> str:
        """A new secret for the session (a privilege was gained); the old cookie is worth nothing at once."""
        secret = new_secret()
        db.execute(
            update(tables.Session).where(tables.Session.id == session_id).values(secret_hash=hash_of(secret))
        )
        return secret

    def of_person(self, db: Session, person_id: int, now: datetime) -> list[LiveSession]:
        """The live sessions of someone, the last used first."""
        person = self._people.get(db, person_id)
        query = (
            select(tables.Session)
            .where(
                tables.Session.person_id == person_id,
                tables.Session.revoked_at.is_(None),
                tables.Session.expires_at > now,
                tables.Session.seen_at > now - self.lifetimes.idle,
            )
            .order_by(tables.Session.seen_at.desc())
        )
        return [_live(row, person) for row in db.scalars(query)]

    def last_begun(self, db: Session, person_ids: Iterable[int]) -> dict[int, datetime]:
        """When each of these people signed in last; who is not known to have is left out."""
        last = func.max(tables.Session.created_at)
        query = select(tables.Session.person_id, last).where(tables.Session.person_id.in_(list(person_ids)))
        return {row[0]: row[1] for row in db.execute(query.group_by(tables.Session.person_id))}

    def stands(self, db: Session, session_id: int, now: datetime) -> bool:
        """Whether a session has not been ended and its person is still with us; how long it idles does not count."""
        query = (
            select(tables.Session.id)
            .join(tables.Person, tables.Person.id == tables.Session.person_id)
            .where(
                tables.Session.id == session_id,
                tables.Session.revoked_at.is_(None),
                tables.Session.expires_at > now,
                tables.Person.disabled_at.is_(None),
            )
        )
        return db.scalar(query) is not None

    def sign_in(self, db: Session, session_id: int) -> SignIn:
        """How the sign-in of a session went."""
        return _sign_in(db.get_one(tables.Session, session_id))

    def end(self, db: Session, person_id: int, session_id: int, now: datetime) -> None:
        """Ends one session of `person_id`. Raises Absent when that person has no such live session."""
        ended = update(tables.Session).where(
            tables.Session.id == session_id,
            tables.Session.person_id == person_id,
            tables.Session.revoked_at.is_(None),
        )
        if not db.execute(ended.values(revoked_at=now).returning(tables.Session.id)).all():
            raise Absent(f"no live session {session_id} of {person_id}")

    def replace(self, db: Session, session_id: int, now: datetime) -> None:
        """Ends the session that a new sign-in in the same browser takes the place of, if it still lives."""
        ended = update(tables.Session).where(
            tables.Session.id == session_id, tables.Session.revoked_at.is_(None)
        )
        db.execute(ended.values(revoked_at=now))

    def end_all(self, db: Session, person_id: int, now: datetime, *, but: int | None = None) -> None:
        """Ends every session of someone, but the one that asks for it."""
        ended = update(tables.Session).where(
            tables.Session.person_id == person_id, tables.Session.revoked_at.is_(None)
        )
        if but is not None:
            ended = ended.where(tables.Session.id != but)
        db.execute(ended.values(revoked_at=now))


def is_due(seen_at: datetime, now: datetime) -> bool:
    """Whether `seen` should be written again."""
    return now - seen_at >= SEEN_EVERY


def _live(row: tables.Session, person: Person) -> LiveSession:
    return LiveSession(
        id=row.id,
        person=person,
        provider=row.provider,
        sign_in=_sign_in(row),
        created_at=row.created_at,
        seen_at=row.seen_at,
        user_agent=row.user_agent,
        kept=documents.loads(row.kept.encode()),
    )


def _sign_in(row: tables.Session) -> SignIn:
    return SignIn(row.idp, row.acr, tuple(row.amr.split()), row.auth_time, row.email_domain)
