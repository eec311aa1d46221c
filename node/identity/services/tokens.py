"""Personal access tokens of the API: made by CLI or on the page, shown once, held by scopes.

Rule: the row keeps the hash; a token never may more than its person may now. Source: SECURITY I21, I23.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from flask_babel import lazy_gettext as _
from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from node.core.db import table_of
from node.core.errors import Absent, Invalid
from node.core.hot import Hot
from node.core.secrets import hash_of, new_secret
from node.core.values import value
from node.identity import tables
from node.identity.services.people import People, Person

PREFIX = "parvis_"  # lets scanners of repositories find a leaked token
MAX_LIFETIME = timedelta(days=366)
DEFAULT_LIFETIME = timedelta(days=90)
MAX_NAME_CHARS = 80
USED_EVERY = timedelta(minutes=1)


_TOKEN, _PERSON = table_of(tables.Token), table_of(tables.Person)
# Asked for with every request of a script.
_HOLDER = Hot(
    select(
        _TOKEN.c.id.label("token_id"),
        _TOKEN.c.scopes.label("token_scopes"),
        _TOKEN.c.used_at.label("token_used_at"),
        _PERSON,
    )
    .join_from(_TOKEN, _PERSON, _PERSON.c.id == _TOKEN.c.person_id)
    .where(
        _TOKEN.c.secret_hash == bindparam("sought"),
        _TOKEN.c.revoked_at.is_(None),
        _TOKEN.c.expires_at > bindparam("now"),
        _PERSON.c.disabled_at.is_(None),
    )
)


class Scope(StrEnum):
    """What a token may be allowed. `…:admin`, `audit:read` and `metrics:read` hold for administrators only."""

    ME_READ = "me:read"
    ME_WRITE = "me:write"
    SPACES_READ = "spaces:read"
    SPACES_WRITE = "spaces:write"
    POSTS_READ = "posts:read"
    POSTS_WRITE = "posts:write"
    FILES_READ = "files:read"
    FILES_WRITE = "files:write"
    RELATIONS_READ = "relations:read"
    RELATIONS_ADMIN = "relations:admin"
    PEOPLE_READ = "people:read"
    PEOPLE_ADMIN = "people:admin"
    AUDIT_READ = "audit:read"
    METRICS_READ = "metrics:read"


FOR_ADMINS = frozenset({Scope.RELATIONS_ADMIN, Scope.PEOPLE_ADMIN, Scope.AUDIT_READ, Scope.METRICS_READ})


@value
class Token:
    """A token as its person sees it afterwards; the secret is gone."""

    id: int
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


@value
class Bearer:
    """Who holds a token, and what it may now."""

    token_id: int
    person: Person
    scopes: frozenset[Scope]
    use_is_due: bool
    """Whether `Tokens.used` should be written again."""


class Tokens:
    """The tokens of one node over their table."""

    def __init__(self, people: People) -> None:
        self._people = people

    def create(
        self,
        db: Session,
        person_id: int,
        name: str,
        scopes: Iterable[Scope],
        now: datetime,
        lifetime: timedelta = DEFAULT_LIFETIME,
    ) -> tuple[str, Token]:
        """A new token: its secret, shown this once, and what is kept. Raises Invalid, NoSuchPerson."""
        person = self._people.get(db, person_id)
        wanted = tuple(sorted(set(scopes)))
        name = " ".join(name.split())[:MAX_NAME_CHARS]
        errors = {}
        if not name:
            errors["name"] = _("Give the token a name, so that you know it again.")
        if not wanted:
            errors["scopes"] = _("Choose at least one thing that the token may do.")
        elif not person.is_admin and FOR_ADMINS.intersection(wanted):
            errors["scopes"] = _("Only an administrator can give this to a token.")
        if not timedelta(0) < lifetime <= MAX_LIFETIME:
            errors["days"] = _("A token lives between one day and one year.")
        if errors:
            raise Invalid(
                _("The token was not made."), f"token of {person_id}: {sorted(errors)}", errors=errors
            )
        secret = PREFIX + new_secret()
        row = tables.Token(
            secret_hash=hash_of(secret),
            person_id=person_id,
            name=name,
            scopes=" ".join(wanted),
            created_at=now,
            expires_at=now + lifetime,
            used_at=None,
            revoked_at=None,
        )
        db.add(row)
        db.flush()
        return secret, _value(row)

    def find(self, db: Session, secret: str, now: datetime) -> Bearer | None:
        """Who holds this token; None when it is unknown, ended, expired, or its person has left."""
        found = _HOLDER.run(db, {"sought": hash_of(secret), "now": now}).first()
        if found is None:
            return None
        person = self._people.value(found)
        return Bearer(
            token_id=found.token_id,
            person=person,
            scopes=_allowed(found.token_scopes, is_admin=person.is_admin),
            use_is_due=found.token_used_at is None or now - found.token_used_at >= USED_EVERY,
        )

    def used(self, db: Session, token_id: int, now: datetime) -> None:
        """Notes that the token was used."""
        db.execute(update(tables.Token).where(tables.Token.id == token_id).values(used_at=now))

    def of_person(self, db: Session, person_id: int, now: datetime) -> list[Token]:
        """The tokens of someone that hold now, the newest first."""
        query = (
            select(tables.Token)
            .where(
                tables.Token.person_id == person_id,
                tables.Token.revoked_at.is_(None),
                tables.Token.expires_at > now,
            )
            .order_by(tables.Token.id.desc())
        )
        return [_value(row) for row in db.scalars(query)]

    def end(self, db: Session, person_id: int, token_id: int, now: datetime) -> None:
        """Ends a token at once. Raises Absent when that person has no such live token."""
        ended = update(tables.Token).where(
            tables.Token.id == token_id,
            tables.Token.person_id == person_id,
            tables.Token.revoked_at.is_(None),
        )
        if not db.execute(ended.values(revoked_at=now).returning(tables.Token.id)).all():
            raise Absent(f"no live token {token_id} of {person_id}")


@lru_cache(maxsize=256)
def _allowed(text: str, *, is_admin: bool) -> frozenset[Scope]:
    """The scopes of a token as it is kept, that its person may use now."""
    scopes = frozenset(Scope(scope) for scope in text.split())
    return scopes if is_admin else scopes - FOR_ADMINS


def _value(row: tables.Token) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        scopes=tuple(Scope(scope) for scope in row.scopes.split()),
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
    )
