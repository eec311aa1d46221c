"""Visits: people of partners who signed in here with what they are at home; begun, found, ended, as sessions are.

Rule: a visitor has no account and no role here: what he or she sees is what the membership of the actor shows. A visit
ends half an hour after it was last used, at the latest after eight hours, or with the agreement with its home.
Source: PROTOCOL 2.d, 2.e; SECURITY TH-45, I17–I19.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from federation import documents
from federation.authn import SignIn
from node.core.secrets import hash_of, new_secret
from node.identity import tables
from node.identity.services.sessions import (
    ENDED_KEPT,
    MAX_KEPT_BYTES,
    MAX_USER_AGENT_CHARS,
    Lifetimes,
    StateUsed,
)

LIFETIMES = Lifetimes(idle=timedelta(minutes=30), absolute=timedelta(hours=8))
MAX_NAME_CHARS = 120

_VISIT = tables.Visit


@dataclass(slots=True, eq=False, repr=False)
class Visitor:
    """Somebody of a partner's organisation, as the home vouches. `sid` is the session there."""

    issuer: str
    subject: str
    sid: str
    actor: str
    node: str
    organisation: str
    name: str
    language: str
    sign_in: SignIn


@dataclass(slots=True, eq=False, repr=False)
class LiveVisit:
    """A visit that holds now. `kept` is what pages keep in it."""

    id: int
    visitor: Visitor
    theme: str
    shortcuts: bool
    created_at: datetime
    seen_at: datetime
    user_agent: str
    kept: dict[str, Any]


class Visits:
    """The visits of one node over their table. `admits` says whether a visitor's organisation may come in now."""

    def __init__(self) -> None:
        self.admits: Callable[[Session, Visitor], bool] = lambda _db, _visitor: False

    def begin(self, db: Session, visitor: Visitor, user_agent: str, now: datetime) -> tuple[int, str]:
        """Begins a visit: its row, and the secret for its cookie. Raises StateUsed when the session at home has one."""
        db.execute(delete(_VISIT).where(_VISIT.expires_at < now - ENDED_KEPT))
        secret = new_secret()
        row = _VISIT(
            secret_hash=hash_of(secret),
            issuer=visitor.issuer,
            subject=visitor.subject,
            sid=visitor.sid,
            actor=visitor.actor,
            node=visitor.node,
            organisation=visitor.organisation,
            name=visitor.name[:MAX_NAME_CHARS],
            language=visitor.language,
            theme="",
            shortcuts=True,
            idp=visitor.sign_in.idp,
            acr=visitor.sign_in.acr,
            amr=" ".join(visitor.sign_in.amr),
            auth_time=visitor.sign_in.auth_time,
            email_domain=visitor.sign_in.email_domain,
            created_at=now,
            seen_at=now,
            expires_at=now + LIFETIMES.absolute,
            revoked_at=None,
            user_agent=user_agent[:MAX_USER_AGENT_CHARS],
            kept="{}",
        )
        try:
            with db.begin_nested():
                db.add(row)
        except IntegrityError as cause:
            raise StateUsed from cause
        return row.id, secret

    def find(self, db: Session, secret: str, now: datetime) -> LiveVisit | None:
        """The visit of the cookie, or None when it ended or expired."""
        row = db.scalar(
            select(_VISIT).where(
                _VISIT.secret_hash == hash_of(secret),
                _VISIT.revoked_at.is_(None),
                _VISIT.expires_at > now,
                _VISIT.seen_at > now - LIFETIMES.idle,
            )
        )
        visit = None if row is None else _live(row)
        return visit if visit is not None and self.admits(db, visit.visitor) else None

    def living(self, db: Session, now: datetime) -> list[int]:
        """The rows of the visits that hold now."""
        held = select(_VISIT.id).where(
            _VISIT.revoked_at.is_(None), _VISIT.expires_at > now, _VISIT.seen_at > now - LIFETIMES.idle
        )
        return list(db.scalars(held))

    def seen(self, db: Session, visit_id: int, now: datetime) -> None:
        """Notes that the visit was used."""
        db.execute(update(_VISIT).where(_VISIT.id == visit_id).values(seen_at=now))

    def keep(self, db: Session, visit_id: int, kept: dict[str, Any]) -> None:
        """Stores what pages keep in the visit; ValueError beyond 4 KiB."""
        text = json.dumps(kept, separators=(",", ":"))
        if len(text.encode()) > MAX_KEPT_BYTES:
            raise ValueError(f"A visit keeps at most {MAX_KEPT_BYTES} bytes.")
        db.execute(update(_VISIT).where(_VISIT.id == visit_id).values(kept=text))

    def prefer(self, db: Session, visit_id: int, **preferred: Any) -> None:
        """Keeps `language`, `theme` or `shortcuts` for this visit."""
        db.execute(update(_VISIT).where(_VISIT.id == visit_id).values(**preferred))

    def end(self, db: Session, visit_id: int, now: datetime) -> None:
        """Ends a visit, if it still holds."""
        ended = update(_VISIT).where(_VISIT.id == visit_id, _VISIT.revoked_at.is_(None))
        db.execute(ended.values(revoked_at=now))


def _live(row: tables.Visit) -> LiveVisit:
    sign_in = SignIn(row.idp, row.acr, tuple(row.amr.split()), row.auth_time, row.email_domain)
    return LiveVisit(
        id=row.id,
        visitor=Visitor(
            row.issuer,
            row.subject,
            row.sid,
            row.actor,
            row.node,
            row.organisation,
            row.name,
            row.language,
            sign_in,
        ),
        theme=row.theme,
        shortcuts=row.shortcuts,
        created_at=row.created_at,
        seen_at=row.seen_at,
        user_agent=row.user_agent,
        kept=documents.loads(row.kept.encode()),
    )
