"""Identity as doors and other capabilities use it: the use cases, each in one unit of work, each on record.

Rule: whoever signs in gets a new session and the browser's former one ends in the same commit; who may not
is counted, because anybody can try. Source: SECURITY TH-45, S14; ARCHITECTURE, section 4 (a sign-in).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from federation.authn import SignIn
from node.config import LANGUAGES
from node.core.audit import Act
from node.core.errors import NodeError
from node.core.ground import Ground
from node.core.values import value
from node.identity.keyring import keyring_of
from node.identity.process import once_per_ground
from node.identity.services.accounts import (
    Accounts,
    Invitation,
    LinkUsed,
    Purpose,
    TooManyAttempts,
    WrongPassword,
    check_password,
    hash_password,
)
from node.identity.services.actors import Actors, LocalActor
from node.identity.services.people import Claims, People, Person, Role
from node.identity.services.sessions import Begun, Lifetimes, LiveSession, Sessions
from node.identity.services.tokens import DEFAULT_LIFETIME, Scope, Token, Tokens
from node.identity.services.visits import LiveVisit, Visits

T = TypeVar("T")


@value
class Browser:
    """The browser that signs in, as the door saw it; `session_id` is the session that the new one replaces."""

    user_agent: str
    address: str
    session_id: int | None = None


@value
class Welcome:
    """A sign-in that worked: `secret` goes into the cookie."""

    person: Person
    secret: str


class Identity:
    """People, actors, sessions and tokens of one node."""

    def __init__(self, ground: Ground) -> None:
        settings = ground.settings
        self._ground = ground
        self.actors = Actors(
            settings.origin,
            settings.organisation,
            keyring_of(ground),
            ground.events,
            development=settings.is_development,
        )
        first = settings.language
        self.people = People(self.actors, (first, *(each for each in LANGUAGES if each != first)))
        self.accounts = Accounts(settings.origin, self.people)
        self.sessions = Sessions(
            self.people,
            Lifetimes(
                timedelta(minutes=settings.session_idle_min), timedelta(hours=settings.session_absolute_h)
            ),
        )
        self.visits = Visits()
        self.tokens = Tokens(self.people)

    def initialise(self) -> LocalActor:
        """Makes the node actor and its key, once; the same again later."""
        with self._ground.database.writing() as db:
            return self.actors.create_node(db, self._now())

    def first_admin_link(self) -> str:
        """The secret of a one-time link that makes an administrator."""
        with self._ground.database.writing() as db:
            secret = self.accounts.first_admin_link(db, self._now())
            self._record(db, Act("link.created", detail={"purpose": Purpose.FIRST_ADMIN}))
            return secret

    def sign_in_with_password(self, handle: str, password: str, browser: Browser) -> Welcome:
        """Raises WrongPassword, TooManyAttempts."""
        now = self._now()
        try:
            person = self.accounts.sign_in(self._ground.database, handle, password, browser.address, now)
        except (WrongPassword, TooManyAttempts) as refusal:
            self._ground.audit.count_refusal(f"signin.{type(refusal).__name__}")
            raise
        with self._ground.database.writing() as db:
            return self._welcome(db, person, self._by_password(person, browser, now), browser, now)

    def sign_in_with_claims(
        self,
        claims: Claims,
        *,
        provider: str,
        provider_session: str | None,
        creates: bool,
        state: str,
        sign_in: SignIn,
        browser: Browser,
    ) -> Welcome:
        """Someone for whom a provider vouched. Raises NotAdmitted, AccountClosed, StateUsed."""
        now = self._now()

        def enter() -> Welcome:
            with self._ground.database.writing() as db:
                person = self.people.person_of(db, claims, creates=creates, now=now)
                begun = Begun(person.id, browser.user_agent, sign_in, provider, provider_session, state)
                return self._welcome(db, person, begun, browser, now)

        try:
            return _once_more(enter)
        except NodeError as refusal:
            self._ground.audit.count_refusal(f"signin.{type(refusal).__name__}")
            raise

    def refused(self, reason: str) -> None:
        """Counts a sign-in that failed at the door."""
        self._ground.audit.count_refusal(f"signin.{reason}")

    def invitation(self, secret: str) -> Invitation:
        """What an open one-time link is for. Raises LinkUsed."""
        with self._ground.database.reading() as db:
            return self.accounts.invitation(db, secret, self._now())

    def use_link(self, secret: str, name: str, handle: str, password: str, browser: Browser) -> Welcome:
        """Uses a one-time link and signs in. Raises LinkUsed, Invalid (a weak password)."""
        invitation = self.invitation(secret)
        check_password(password, invitation.person.preferred_username if invitation.person else handle)
        hashed = hash_password(password)
        now = self._now()
        try:
            with self._ground.database.writing() as db:
                person = self.accounts.use(db, secret, name, handle, hashed, now)
                self._record(db, Act("link.used", person.actor, detail={"purpose": invitation.purpose}))
                return self._welcome(db, person, self._by_password(person, browser, now), browser, now)
        except LinkUsed:
            self._ground.audit.count_refusal("signin.LinkUsed")
            raise

    def sign_out(self, live: LiveSession) -> None:
        """Ends the session of this browser."""
        with self._ground.database.writing() as db:
            self.sessions.end(db, live.person.id, live.id, self._now())
            self._record(db, Act("signout.done", live.person.actor))

    def end_session(self, person: Person, session_id: int) -> None:
        """Ends another session of the same person. Raises Absent."""
        with self._ground.database.writing() as db:
            self.sessions.end(db, person.id, session_id, self._now())
            self._record(db, Act("session.ended", person.actor))

    def end_other_sessions(self, person: Person, but: int) -> None:
        """Ends every session of the person but this one."""
        with self._ground.database.writing() as db:
            self.sessions.end_all(db, person.id, self._now(), but=but)
            self._record(db, Act("session.ended", person.actor, detail={"others": 1}))

    def prefer(
        self,
        person_id: int,
        *,
        language: str | None = None,
        theme: str | None = None,
        shortcuts: bool | None = None,
    ) -> Person:
        """Keeps what someone prefers of language, theme and keyboard; None leaves it."""
        with self._ground.database.writing() as db:
            return self.people.prefer(db, person_id, language=language, theme=theme, shortcuts=shortcuts)

    def end_visit(self, visit: LiveVisit) -> None:
        """A visitor goes; at home nothing ends."""
        with self._ground.database.writing() as db:
            self.visits.end(db, visit.id, self._now())
            self._record(db, Act("visit.ended", visit.visitor.actor))

    def prefer_for_visit(self, visit: LiveVisit, **preferred: Any) -> None:
        """Keeps what a visitor prefers of language, theme and keyboard, for this visit; None leaves it."""
        named = {name: value for name, value in preferred.items() if value is not None}
        if named:
            with self._ground.database.writing() as db:
                self.visits.prefer(db, visit.id, **named)

    def create_token(
        self,
        person_id: int,
        name: str,
        scopes: Iterable[Scope],
        lifetime: timedelta = DEFAULT_LIFETIME,
        by: str = "",
    ) -> tuple[str, Token]:
        """A new token: its secret, shown this once, and what is kept. Raises Invalid, NoSuchPerson."""
        with self._ground.database.writing() as db:
            secret, token = self.tokens.create(db, person_id, name, scopes, self._now(), lifetime)
            subject = self.people.get(db, person_id).actor
            self._record(
                db, Act("token.created", by, subject=subject, detail={"scopes": " ".join(token.scopes)})
            )
            return secret, token

    def end_token(self, person: Person, token_id: int) -> None:
        """Ends a token at once. Raises Absent."""
        with self._ground.database.writing() as db:
            self.tokens.end(db, person.id, token_id, self._now())
            self._record(db, Act("token.ended", person.actor))

    def add_person(self, name: str, role: Role, *, handle: str = "", by: str = "") -> tuple[Person, str]:
        """A new built-in account, and the secret of the link to set its password."""

        def add() -> tuple[Person, str]:
            with self._ground.database.writing() as db:
                person, secret = self.accounts.add(db, name, role, self._now(), handle=handle)
                self._record(db, Act("person.added", by, subject=person.actor, detail={"role": role}))
                return person, secret

        return _once_more(add)

    def expect_person(self, claims: Claims, role: Role, *, by: str = "") -> Person:
        """Someone who will sign in with a provider, added before the first sign-in.

        Raises NotAdmitted, AlreadyKnown.
        """

        def expect() -> Person:
            with self._ground.database.writing() as db:
                person = self.people.expect(db, claims, role, self._now())
                self._record(db, Act("person.added", by, subject=person.actor, detail={"role": role}))
                return person

        return _once_more(expect)

    def password_link(self, person_id: int, *, by: str = "") -> str:
        """The secret of a link to set a password anew. Raises Changed, NoSuchPerson."""
        with self._ground.database.writing() as db:
            secret = self.accounts.password_link(db, person_id, self._now())
            subject = self.people.get(db, person_id).actor
            self._record(db, Act("link.created", by, subject=subject, detail={"purpose": Purpose.PASSWORD}))
            return secret

    def set_password(self, person_id: int, password: str, *, by: str = "") -> None:
        """Sets a password without a link (demo, CLI); all access given before ends. Raises Invalid."""
        with self._ground.database.reading() as db:
            person = self.people.get(db, person_id)
        check_password(password, person.preferred_username)
        hashed = hash_password(password)
        with self._ground.database.writing() as db:
            self.accounts.set_password(db, person_id, hashed, self._now())
            self._record(db, Act("password.set", by, subject=person.actor))

    def give_role(self, person_id: int, role: Role, *, by: str = "") -> Person:
        """Changes a role. Raises NoSuchPerson, LastAdmin."""
        with self._ground.database.writing() as db:
            person = self.people.give_role(db, person_id, role)
            self._record(db, Act("person.role", by, subject=person.actor, detail={"role": role}))
            return person

    def disable(self, person_id: int, *, by: str = "") -> Person:
        """Closes an account at once. Raises NoSuchPerson, LastAdmin."""
        with self._ground.database.writing() as db:
            person = self.people.disable(db, person_id, self._now())
            self._record(db, Act("person.disabled", by, subject=person.actor))
            return person

    def enable(self, person_id: int, *, by: str = "") -> Person:
        """Opens an account again. Raises NoSuchPerson."""
        with self._ground.database.writing() as db:
            person = self.people.enable(db, person_id)
            self._record(db, Act("person.enabled", by, subject=person.actor))
            return person

    def _by_password(self, person: Person, browser: Browser, now: datetime) -> Begun:
        settings = self._ground.settings
        sign_in = SignIn(settings.origin, settings.password_acr, ("pwd",), int(now.timestamp()))  # RFC 8176
        return Begun(person.id, browser.user_agent, sign_in)

    def _welcome(self, db: Session, person: Person, begun: Begun, browser: Browser, now: datetime) -> Welcome:
        if browser.session_id is not None:
            self.sessions.replace(db, browser.session_id, now)
        secret = self.sessions.begin(db, begun, now)
        self._record(db, Act("signin.done", person.actor, detail={"provider": begun.provider or "built-in"}))
        return Welcome(person, secret)

    def _record(self, db: Session, act: Act) -> None:
        self._ground.audit.append(db, act)

    def _now(self) -> datetime:
        return self._ground.clock.now()


def _once_more(unit_of_work: Callable[[], T]) -> T:
    """Runs it again when another process took the same person or handle meanwhile (on PostgreSQL)."""
    try:
        return unit_of_work()
    except IntegrityError:
        return unit_of_work()


@once_per_ground
def identity_of(ground: Ground) -> Identity:
    """The one Identity of this process on this ground."""
    return Identity(ground)
