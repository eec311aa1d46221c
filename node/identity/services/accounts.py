"""Built-in accounts: a handle and a password kept here, for organisations without a provider of their own.

Rule: argon2id, checked outside any transaction and for an unknown name as long as for a known one; ten
failures in a quarter of an hour close the door for that name and for that address. One-time links make the
first administrator and set passwords; two that use one at once get one success. Source: SECURITY I22, I23,
TH-45; RELIABILITY S13; OWASP Password Storage (argon2id, 19 MiB, 2 passes).
"""

from __future__ import annotations

import ctypes
import ipaddress
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from flask_babel import lazy_gettext as _
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from node.core import ids
from node.core.db import Database
from node.core.errors import Absent, Changed, Invalid, NotAllowed, TooMany
from node.core.secrets import hash_of, new_secret
from node.core.values import value
from node.identity import tables
from node.identity.services.people import AccountClosed, Claims, People, Person, Role, end_access

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MAX_FAILURES = 10
FAILURE_WINDOW = timedelta(minutes=15)
MIN_PASSWORD_CHARS = 12
MAX_PASSWORD_CHARS = 256
LINK_LIFETIME = timedelta(hours=72)
ARGON2_MEMORY_KIB = 19 * 1024
ARGON2_PASSES = 2
M_MMAP_THRESHOLD = -3  # <malloc.h>
MMAP_THRESHOLD_BYTES = 1024 * 1024
HASHES_AT_ONCE = 2  # each takes 19 MiB while it runs, and a core

_hashing = BoundedSemaphore(HASHES_AT_ONCE)


class Purpose(StrEnum):
    """What a one-time link is for."""

    FIRST_ADMIN = "first-admin"
    PASSWORD = "password"  # noqa: S105 -- a purpose, not a password


@value
class Invitation:
    """An open one-time link, before it is used. `person` is None for the first administrator."""

    purpose: Purpose
    person: Person | None


class WrongPassword(NotAllowed):
    """The name or the password is wrong; which of them is not said."""

    def __init__(self, cause: str) -> None:
        super().__init__(_("The name or the password is not right."), cause)


class TooManyAttempts(TooMany):
    """Ten failures in a quarter of an hour."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            _("Too many attempts. Wait a quarter of an hour, then try again."),
            retry_after=int(FAILURE_WINDOW.total_seconds()),
            cause=cause,
        )


class LinkUsed(Absent):
    """The one-time link is unknown, used, or too old."""

    def __init__(self) -> None:
        super().__init__("The one-time link is unknown, used, or too old.")


class Accounts:
    """The built-in accounts of one node."""

    def __init__(self, origin: str, people: People) -> None:
        """`origin` is their issuer: no provider may have it."""
        self.issuer = origin
        self._people = people

    def sign_in(self, database: Database, handle: str, password: str, address: str, now: datetime) -> Person:
        """The person with this handle and password. Opens its own units of work, so call it outside any.

        Raises TooManyAttempts, WrongPassword (also for an account that is closed or unknown).
        """
        account = hash_of(handle.strip().lower())
        with database.writing() as db:
            attempt = self._begin_attempt(db, account, address_prefix(address), now)
        with database.reading() as db:
            found = db.execute(
                select(tables.Person, tables.Credential.password_hash)
                .join(tables.Credential, tables.Credential.person_id == tables.Person.id)
                .where(
                    tables.Person.preferred_username == handle.strip().lower(),
                    tables.Person.disabled_at.is_(None),
                ),
            ).one_or_none()
            person = None if found is None else self._people.value(found[0])
        decoy = _decoy()
        right = _verify(decoy if found is None else found[1], password)
        if person is None or not right:
            raise WrongPassword(f"Password sign-in as {handle!r} from {address}.")
        with database.writing() as db:
            db.execute(
                delete(tables.SignInAttempt).where(
                    or_(tables.SignInAttempt.id == attempt, tables.SignInAttempt.account == account)
                ),
            )
        return person

    def add(
        self, db: Session, name: str, role: Role, now: datetime, *, handle: str = ""
    ) -> tuple[Person, str]:
        """A new built-in account, and the secret of the link with which its person sets the password."""
        claims = Claims(self.issuer, ids.wire_id(), name=name, preferred_username=handle or name)
        person = self._people.add(db, claims, role, now)
        return person, self.password_link(db, person.id, now)

    def password_link(self, db: Session, person_id: int, now: datetime) -> str:
        """The secret of a one-time link to set the password of a built-in account; older links end.

        Raises Changed when the person signs in with a provider, AccountClosed.
        """
        person = self._people.get(db, person_id)
        if person.disabled_at is not None:
            raise AccountClosed(person_id)
        if person.issuer != self.issuer:
            raise Changed(
                _("This person signs in with the organisation’s provider and has no password here.")
            )
        db.execute(
            update(tables.OneTimeLink)
            .where(tables.OneTimeLink.person_id == person_id, tables.OneTimeLink.used_at.is_(None))
            .values(used_at=now)
        )
        return _link(db, Purpose.PASSWORD, person_id, now)

    def without_password(self, db: Session, people: Iterable[Person]) -> set[int]:
        """The ids of those whose built-in account waits for its first password."""
        ours = {person.id for person in people if person.issuer == self.issuer}
        have = select(tables.Credential.person_id).where(tables.Credential.person_id.in_(ours))
        return ours - set(db.scalars(have))

    def first_admin_link(self, db: Session, now: datetime) -> str:
        """The secret of a one-time link that makes an administrator, for `parvis init --admin`."""
        return _link(db, Purpose.FIRST_ADMIN, None, now)

    def invitation(self, db: Session, secret: str, now: datetime) -> Invitation:
        """What an open link is for; looking does not use it. Raises LinkUsed."""
        row = db.get(tables.OneTimeLink, hash_of(secret))
        if row is None or row.used_at is not None or row.expires_at <= now:
            raise LinkUsed
        person = None if row.person_id is None else self._people.get(db, row.person_id)
        return Invitation(Purpose(row.purpose), person)

    def use(self, db: Session, secret: str, name: str, handle: str, hashed: str, now: datetime) -> Person:
        """Uses a link: makes the first administrator (`name`, `handle`) or sets the password of its person.

        `hashed` comes from `hash_password`. Sessions and tokens of the person end. Raises LinkUsed.
        """
        used = (
            update(tables.OneTimeLink)
            .where(
                tables.OneTimeLink.secret_hash == hash_of(secret),
                tables.OneTimeLink.used_at.is_(None),
                tables.OneTimeLink.expires_at > now,
            )
            .values(used_at=now)
            .returning(tables.OneTimeLink.purpose, tables.OneTimeLink.person_id)
        )
        link = db.execute(used).one_or_none()
        if link is None:
            raise LinkUsed
        if link.person_id is None:
            claims = Claims(self.issuer, ids.wire_id(), name=name, preferred_username=handle or name)
            person = self._people.add(db, claims, Role.ADMIN, now)
        else:
            person = self._people.get(db, link.person_id)
        self.set_password(db, person.id, hashed, now)
        return person

    def set_password(self, db: Session, person_id: int, hashed: str, now: datetime) -> None:
        """Keeps the password (from `hash_password`) and ends all access that was given before."""
        end_access(db, person_id, now)
        row = db.get(tables.Credential, person_id)
        if row is None:
            db.add(tables.Credential(person_id=person_id, password_hash=hashed, changed_at=now))
        else:
            row.password_hash, row.changed_at = hashed, now
        db.flush()

    def _begin_attempt(self, db: Session, account: str, address: str, now: datetime) -> int:
        """Counts the attempt as a failure until it succeeds, so that parallel guesses count, too."""
        attempts = tables.SignInAttempt
        db.execute(delete(attempts).where(attempts.at <= now - FAILURE_WINDOW))
        for column, known in ((attempts.account, account), (attempts.address, address)):
            failures = db.scalar(
                select(func.count()).where(column == known, attempts.at > now - FAILURE_WINDOW)
            )
            if failures is not None and failures >= MAX_FAILURES:
                raise TooManyAttempts(f"{failures} failures by {column.key} from {address}.")
        row = attempts(account=account, address=address, at=now)
        db.add(row)
        db.flush()
        return row.id


def check_password(password: str, handle: str) -> None:
    """Raises Invalid, with a sentence for the field `password`, when it is too weak to be kept."""
    plain = unicodedata.normalize("NFKC", password)
    if not MIN_PASSWORD_CHARS <= len(plain) <= MAX_PASSWORD_CHARS:
        problem = _("Choose a password of 12 characters or more; a few words are fine.")
    elif len(set(plain)) < MIN_PASSWORD_CHARS // 2 or (handle and handle.lower() in plain.lower()):
        problem = _("This password is too easy to guess.")
    else:
        return
    raise Invalid(problem, "a weak password", errors={"password": problem})


def hash_password(password: str) -> str:
    """The argon2id hash of a password; takes about 20 ms, so never inside a unit of work."""
    with _hashing:
        return _hasher().hash(unicodedata.normalize("NFKC", password))


def address_prefix(address: str) -> str:
    """What counts as one address: an IPv4 address, a /64 of IPv6."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address[: tables.ADDRESS_CHARS]
    if known.version == 4:
        return str(known)
    return str(ipaddress.ip_network((known, 64), strict=False))


def _link(db: Session, purpose: Purpose, person_id: int | None, now: datetime) -> str:
    secret = new_secret()
    db.add(
        tables.OneTimeLink(
            secret_hash=hash_of(secret),
            purpose=purpose,
            person_id=person_id,
            created_at=now,
            expires_at=now + LINK_LIFETIME,
            used_at=None,
        ),
    )
    db.flush()
    return secret


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    # glibc raises its own threshold after a large block was freed and would keep 19 MiB for each thread that
    # ever hashed (measured: 56 MiB after eight); a threshold that is set stays (mallopt(3)).
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
    return PasswordHasher(time_cost=ARGON2_PASSES, memory_cost=ARGON2_MEMORY_KIB, parallelism=1)


@cache
def _decoy() -> str:
    """A hash that no password has, checked when the name is unknown so that both take as long."""
    return hash_password(new_secret())


def _verify(hashed: str, password: str) -> bool:
    from argon2.exceptions import VerifyMismatchError

    if len(password) > MAX_PASSWORD_CHARS:
        return False
    with _hashing:
        try:
            return _hasher().verify(hashed, unicodedata.normalize("NFKC", password))
        except VerifyMismatchError:
            return False
