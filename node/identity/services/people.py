"""The people of this organisation: who they are, how they come in, how they leave.

Rule: a person is (issuer, subject) and nothing else; a mail address is kept as data, never looked up and
never federated; who is disabled stays so, whatever a provider says. Source: SECURITY TH-44, I1–I4, I18–I21.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from flask_babel import lazy_gettext as _
from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from federation import rekeying
from federation.activity import Document
from node.core import ids
from node.core.errors import Absent, Changed, NotAllowed
from node.core.values import value
from node.identity import tables
from node.identity.services import names
from node.identity.services.actors import Actors

MAX_EMAIL_CHARS = 254
MAX_SUBJECT_CHARS = 255

_PRESENT = tables.Person.disabled_at.is_(None)


class Role(StrEnum):
    """What a person may do in the organisation; the manager of a space is a role there, not here."""

    MEMBER = "member"
    ADMIN = "admin"


@value
class Claims:
    """What a provider says of someone; only `issuer` and `subject` identify."""

    issuer: str
    subject: str
    name: str = ""
    preferred_username: str = ""
    email: str | None = None
    language: str = ""


@value
class Person:
    """Someone of this organisation, as other capabilities see him or her."""

    id: int
    wire_id: str
    actor: str
    name: str
    preferred_username: str
    email: str | None
    language: str
    theme: str
    shortcuts: bool
    role: Role
    issuer: str
    created_at: datetime
    disabled_at: datetime | None

    @property
    def is_admin(self) -> bool:
        """May change the organisation's relations, people and settings."""
        return self.role is Role.ADMIN


class NotAdmitted(NotAllowed):
    """The provider vouches for someone who may not come in here."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            _("You can’t sign in here yet. Ask an administrator of your organisation to add you."), cause
        )


class AccountClosed(NotAllowed):
    """The person has left the organisation."""

    def __init__(self, person_id: int) -> None:
        super().__init__(
            _("This account is closed. Ask an administrator."), f"Person {person_id} is disabled."
        )


class NoSuchPerson(Absent):
    """No person of this organisation has the id."""

    def __init__(self, sought: object) -> None:
        super().__init__(f"No person {sought!r}.")


class AlreadyKnown(Changed):
    """The provider's name for someone belongs to a person of this organisation."""

    def __init__(self, claims: Claims) -> None:
        sentence = _("Someone here has this identifier already.")
        super().__init__(sentence, f"{claims.subject!r} of {claims.issuer}", errors={"subject": sentence})


class LastAdmin(Changed):
    """The organisation would be left without an administrator."""

    def __init__(self) -> None:
        super().__init__(_("An organisation needs at least one administrator. Name another one first."))


class People:
    """The people of one organisation over their tables."""

    def __init__(self, actors: Actors, languages: tuple[str, ...]) -> None:
        """`languages`: those of the interface, the default first."""
        self._actors = actors
        self._languages = languages

    def person_of(self, db: Session, claims: Claims, *, creates: bool, now: datetime) -> Person:
        """The person behind `claims`, by issuer and subject; made at the first sign-in when `creates`.

        Name and mail follow what the provider says now. Raises NotAdmitted, AccountClosed.
        """
        row = self._by_claims(db, claims)
        if row is None:
            if not creates:
                raise NotAdmitted(f"{claims.subject!r} of {claims.issuer} is not known here.")
            return self.add(db, claims, Role.MEMBER, now)
        if row.disabled_at is not None:
            raise AccountClosed(row.id)
        self._follow(db, row, claims, now)
        return self.value(row)

    def add(self, db: Session, claims: Claims, role: Role, now: datetime) -> Person:
        """A new person with an actor of his or her own; the handle is made of what `claims` suggests.

        Raises NotAdmitted for a subject that is empty or longer than 255 characters.
        """
        if not 0 < len(claims.subject) <= MAX_SUBJECT_CHARS:
            raise NotAdmitted(f"A subject of {len(claims.subject)} characters from {claims.issuer}.")
        handle = self._actors.free_handle(db, claims.preferred_username or claims.name, "person")
        name = names.shown(names.without_mail(claims.name)) or handle
        row = tables.Person(
            wire_id=ids.wire_id(),
            issuer=claims.issuer,
            subject=claims.subject,
            name=name,
            preferred_username=handle,
            email=_mail(claims.email),
            language=self.language_of(claims.language),
            theme="",
            shortcuts=True,
            role=role,
            created_at=now,
            disabled_at=None,
        )
        db.add(row)
        db.flush()
        self._actors.create_person(db, row, now)
        return self.value(row)

    def regain(self, db: Session, document: Document, now: datetime) -> Person:
        """Who was made after the backup that runs here, from the actor document that partners kept.

        A built-in account that waits for a password, a member; the mail address and what was preferred are lost.
        """
        iri, said = str(document["id"]), str(document["preferredUsername"])
        wire_id = iri.removeprefix(self._actors.person_iri(""))
        handle = self._actors.free_handle(db, said, "person")
        row = tables.Person(
            wire_id=wire_id,
            issuer=self._actors.origin,
            subject=wire_id,
            name=names.shown(str(document["name"])) or handle,
            preferred_username=handle,
            email=None,
            language=self.language_of(""),
            theme="",
            shortcuts=True,
            role=Role.MEMBER,
            created_at=now,
            disabled_at=None,
        )
        db.add(row)
        db.flush()
        self._actors.regain(db, row, rekeying.keys_of(document), now)
        return self.value(row)

    def expect(self, db: Session, claims: Claims, role: Role, now: datetime) -> Person:
        """The same for who has not been here yet. Raises NotAdmitted, AlreadyKnown."""
        if self._by_claims(db, claims) is not None:
            raise AlreadyKnown(claims)
        return self.add(db, claims, role, now)

    def get(self, db: Session, person_id: int) -> Person:
        """The person with this inner id, disabled or not. Raises NoSuchPerson."""
        return self.value(self._row(db, person_id))

    def by_handle(self, db: Session, preferred_username: str) -> Person:
        """The person with this handle, disabled or not. Raises NoSuchPerson."""
        row = db.scalar(select(tables.Person).where(tables.Person.preferred_username == preferred_username))
        if row is None:
            raise NoSuchPerson(preferred_username)
        return self.value(row)

    def by_wire_id(self, db: Session, wire_id: str) -> Person:
        """The person with this wire id, disabled or not. Raises NoSuchPerson."""
        row = db.scalar(select(tables.Person).where(tables.Person.wire_id == wire_id))
        if row is None:
            raise NoSuchPerson(wire_id)
        return self.value(row)

    def active(self, db: Session) -> list[Person]:
        """Everybody who has not left, by name."""
        query = select(tables.Person).where(_PRESENT).order_by(tables.Person.name)
        return [self.value(row) for row in db.scalars(query)]

    def everybody(
        self,
        db: Session,
        *,
        words: str = "",
        role: Role | None = None,
        closed: bool | None = None,
        after: str = "",
        limit: int = 100,
    ) -> list[Person]:
        """At most `limit` people by handle, those after the handle `after`, those who left included.

        `words`: in the name, or in the handle, where accents do not count. None for `role`, `closed`: all.
        """
        handle = tables.Person.preferred_username
        query = select(tables.Person).where(handle > after).order_by(handle).limit(limit)
        if words:
            plain = names.handle(words)
            in_handle = [handle.contains(plain, autoescape=True)] if plain else []
            query = query.where(or_(tables.Person.name.icontains(words, autoescape=True), *in_handle))
        if role is not None:
            query = query.where(tables.Person.role == role)
        if closed is not None:
            query = query.where(tables.Person.disabled_at.is_not(None) if closed else _PRESENT)
        return [self.value(row) for row in db.scalars(query)]

    def count_admins(self, db: Session) -> int:
        """How many administrators have not left."""
        admins = select(func.count()).where(tables.Person.role == Role.ADMIN, _PRESENT)
        return db.scalar(admins) or 0

    def of_actors(self, db: Session, iris: Iterable[str]) -> dict[str, Person]:
        """The people behind these actor IRIs; an IRI that is not of a person of ours is left out."""
        prefix = self._actors.person_iri("")
        wire_ids = [iri.removeprefix(prefix) for iri in iris if iri.startswith(prefix)]
        query = select(tables.Person).where(tables.Person.wire_id.in_(wire_ids))
        return {self._actors.person_iri(row.wire_id): self.value(row) for row in db.scalars(query)}

    def prefer(
        self,
        db: Session,
        person_id: int,
        *,
        language: str | None = None,
        theme: str | None = None,
        shortcuts: bool | None = None,
    ) -> Person:
        """Keeps what someone prefers; None leaves it. `theme`: light, dark, or empty for the device's.

        Raises NoSuchPerson.
        """
        row = self._row(db, person_id)
        if language is not None:
            row.language = self.language_of(language)
        if theme is not None:
            row.theme = theme
        if shortcuts is not None:
            row.shortcuts = shortcuts
        return self.value(row)

    def give_role(self, db: Session, person_id: int, role: Role) -> Person:
        """Changes the role; it holds from the next request on. Raises NoSuchPerson, LastAdmin."""
        row = self._row(db, person_id)
        if role is not Role.ADMIN:
            self._keep_an_admin(db, row)
        row.role = role
        return self.value(row)

    def disable(self, db: Session, person_id: int, now: datetime) -> Person:
        """Closes the account: sessions, tokens and open links end with it, the actor is marked as gone.

        Raises NoSuchPerson, LastAdmin.
        """
        row = self._row(db, person_id)
        self._keep_an_admin(db, row)
        row.disabled_at = row.disabled_at or now
        end_access(db, person_id, now)
        self._actors.disable(db, self._actors.person_iri(row.wire_id), now)
        return self.value(row)

    def enable(self, db: Session, person_id: int) -> Person:
        """Opens a closed account again; nothing that ended with it comes back. Raises NoSuchPerson."""
        row = self._row(db, person_id)
        row.disabled_at = None
        self._actors.enable(db, self._actors.person_iri(row.wire_id))
        return self.value(row)

    def language_of(self, wanted: str) -> str:
        """The language of the interface for a BCP 47 tag; the default one when there is none such."""
        primary = wanted.replace("_", "-").partition("-")[0].lower()
        return primary if primary in self._languages else self._languages[0]

    def value(self, row: Any) -> Person:
        """The row (a `tables.Person`, or one with its columns) as other capabilities see it."""
        return Person(
            id=row.id,
            wire_id=row.wire_id,
            actor=self._actors.person_iri(row.wire_id),
            name=row.name,
            preferred_username=row.preferred_username,
            email=row.email,
            language=row.language,
            theme=row.theme,
            shortcuts=row.shortcuts,
            role=Role(row.role),
            issuer=row.issuer,
            created_at=row.created_at,
            disabled_at=row.disabled_at,
        )

    def _by_claims(self, db: Session, claims: Claims) -> tables.Person | None:
        return db.scalar(
            select(tables.Person).where(
                tables.Person.issuer == claims.issuer, tables.Person.subject == claims.subject
            ),
        )

    def _row(self, db: Session, person_id: int) -> tables.Person:
        row = db.get(tables.Person, person_id)
        if row is None:
            raise NoSuchPerson(person_id)
        return row

    def _follow(self, db: Session, row: tables.Person, claims: Claims, now: datetime) -> None:
        row.email = _mail(claims.email)
        name = names.shown(names.without_mail(claims.name))
        if name and name != row.name:
            row.name = name
            self._actors.rename(db, self._actors.person_iri(row.wire_id), name, now)

    def _keep_an_admin(self, db: Session, row: tables.Person) -> None:
        if row.role != Role.ADMIN or row.disabled_at is not None:
            return
        others = select(func.count()).where(
            tables.Person.role == Role.ADMIN, _PRESENT, tables.Person.id != row.id
        )
        if db.scalar(others) == 0:
            raise LastAdmin


def end_access(db: Session, person_id: int, now: datetime) -> None:
    """Ends every session, token and open link of someone; what an administrator's reset does, too (I18)."""
    for kind in (tables.Session, tables.Token):
        ended = update(kind).where(kind.person_id == person_id, kind.revoked_at.is_(None))
        db.execute(ended.values(revoked_at=now))
    links = update(tables.OneTimeLink).where(
        tables.OneTimeLink.person_id == person_id, tables.OneTimeLink.used_at.is_(None)
    )
    db.execute(links.values(used_at=now))


def _mail(claimed: str | None) -> str | None:
    return claimed if claimed and len(claimed) <= MAX_EMAIL_CHARS else None
