"""The browser's side of a session: `flask.session`, its two cookies, and who looks.

Rule: who is signed in has a row and a cookie with its secret; who is not has at most a sealed cookie of ten
minutes (form token, a sign-in under way), so nobody writes here who is not known. A bearer token never falls back to
the cookie. Source: DECISIONS 12; SECURITY TH-45, H9; RFC 6265bis (`__Host-`); RFC 6750.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from functools import lru_cache
from typing import Any, cast
from urllib.parse import urlsplit

from flask import Flask, g, get_flashed_messages, request, session
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.datastructures import CallbackDict
from werkzeug.wrappers import Request, Response

from federation import documents
from federation.authn import SignIn
from node.core.errors import NotSignedIn
from node.core.ground import Ground
from node.core.http import shown
from node.core.http.guards import Role, Viewer
from node.core.secrets import DoesNotOpen
from node.identity.services import sessions as identity_sessions
from node.identity.services.identity import Identity
from node.identity.services.people import Person
from node.identity.services.sessions import LiveSession, is_due
from node.identity.services.tokens import Scope
from node.identity.services.visits import LiveVisit, Visits

VISIT_S = 600
VISIT_PURPOSE = "browser visit"
MAX_VISIT_CHARS = 3800  # a browser keeps 4096 bytes of a cookie with its name and attributes
BEARER = "bearer "
_VISITOR: frozenset[Role] = frozenset({"visitor"})
_MEMBER: frozenset[Role] = _VISITOR | {"member"}
_ADMIN: frozenset[Role] = _MEMBER | {"manager", "admin"}


class BrowserSession(CallbackDict[str, Any], SessionMixin):
    """What pages keep for this browser; `live` is the session of a person of ours, `visit` that of a visitor."""

    def __init__(
        self, kept: dict[str, Any], live: LiveSession | None = None, visit: LiveVisit | None = None
    ) -> None:
        def changed(_: object) -> None:
            self.modified = True

        super().__init__(kept, changed)
        self.modified = False
        self.live = live
        self.visit = visit
        self.begun: str | None = None
        self.ended = False

    def begin(self, secret: str) -> None:
        """Gives the browser a new session; what the visitor's cookie held is gone with it."""
        self.clear()
        self.begun, self.live, self.visit, self.ended = secret, None, None, False

    def end(self) -> None:
        """Takes the session from the browser."""
        self.clear()
        self.begun, self.live, self.visit, self.ended = None, None, None, True


class Sessions(SessionInterface):
    """Flask's way to `BrowserSession`."""

    def __init__(self, ground: Ground, identity: Identity) -> None:
        self._ground = ground
        self._identity = identity
        self._secure = ground.settings.origin.startswith("https:")
        prefix = "__Host-" if self._secure else ""
        self.session_cookie = f"{prefix}parvis"
        self.visit_cookie = f"{prefix}parvis-visit"

    def open_session(self, app: Flask, request: Request) -> BrowserSession:
        """The session of the cookie, else what the visitor's cookie holds, else nothing."""
        if _is_static(app, request.path):
            return BrowserSession({})
        secret = request.cookies.get(self.session_cookie)
        if secret:
            now = self._ground.clock.now()
            with self._ground.database.reading() as db:
                live = self._identity.sessions.find(db, secret, now)
                if live is not None:
                    return BrowserSession(dict(live.kept), live)
                visit = self._identity.visits.find(db, secret, now)
                if visit is not None:
                    return BrowserSession(dict(visit.kept), visit=visit)
        return BrowserSession(self._visit(request.cookies.get(self.visit_cookie, "")))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Sets or takes the cookies; writes the row when something is kept or a minute has passed."""
        if _is_static(app, request.path):
            return  # nothing was looked up: a cookie that came along says nothing wrong
        browser = cast("BrowserSession", session)
        presented = {name for name in (self.session_cookie, self.visit_cookie) if name in request.cookies}
        if presented or browser.begun:
            response.vary.add("Cookie")
        if browser.begun:
            self._set(response, self.session_cookie, browser.begun, None)
            self._drop(response, {self.visit_cookie} & presented)
        elif browser.ended:
            self._drop(response, presented)
        elif browser.live is not None:
            self._write(browser, browser.live, self._identity.sessions)
        elif browser.visit is not None:
            self._write(browser, browser.visit, self._identity.visits)
        else:
            self._drop(response, {self.session_cookie} & presented)
            if browser.modified and browser:
                self._set(response, self.visit_cookie, self._sealed(browser), VISIT_S)
            elif browser.modified:
                self._drop(response, {self.visit_cookie} & presented)

    def _write(
        self,
        browser: BrowserSession,
        live: LiveSession | LiveVisit,
        kept_in: identity_sessions.Sessions | Visits,
    ) -> None:
        now = self._ground.clock.now()
        due = is_due(live.seen_at, now) and not g.get("unattended", False)
        if not (browser.modified or due):
            return
        with self._ground.database.writing() as db:
            if browser.modified:
                kept_in.keep(db, live.id, dict(browser))
            if due:
                kept_in.seen(db, live.id, now)

    def _visit(self, cookie: str) -> dict[str, Any]:
        try:
            sealed = urlsafe_b64decode(cookie.encode("ascii") + b"=" * (-len(cookie) % 4))
            visit = documents.loads(self._ground.vault.open(sealed, VISIT_PURPOSE))
        except (NotBase64, ValueError, DoesNotOpen):
            return {}
        fresh = 0 <= self._seconds() - visit["at"] <= VISIT_S
        return cast("dict[str, Any]", visit["kept"]) if fresh else {}

    def _sealed(self, browser: BrowserSession) -> str:
        visit = json.dumps({"at": self._seconds(), "kept": dict(browser)}, separators=(",", ":"))
        sealed = (
            urlsafe_b64encode(self._ground.vault.seal(visit.encode(), VISIT_PURPOSE)).rstrip(b"=").decode()
        )
        if len(sealed) > MAX_VISIT_CHARS:
            raise ValueError(f"A visit of {len(sealed)} characters does not fit into a cookie.")
        return sealed

    def _seconds(self) -> int:
        return int(self._ground.clock.now().timestamp())

    def _set(self, response: Response, name: str, value: str, max_age_s: int | None) -> None:
        response.set_cookie(
            name, value, max_age=max_age_s, path="/", secure=self._secure, httponly=True, samesite="Lax"
        )

    def _drop(self, response: Response, names: set[str]) -> None:
        for name in names:
            response.delete_cookie(name, path="/", secure=self._secure, httponly=True, samesite="Lax")


def _is_static(app: Flask, path: str) -> bool:
    return bool(app.static_url_path) and path.startswith(f"{app.static_url_path}/")


def here() -> BrowserSession:
    """The session of this request."""
    return cast("BrowserSession", session._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001


def live() -> LiveSession:
    """The session of who is signed in with this browser. Raises NotSignedIn for a visitor or a token."""
    found = here().live
    if found is None:
        raise NotSignedIn
    return found


def unattended() -> None:
    """Says that this request was not made by a person (a long poll), so it does not keep the session alive."""
    g.unattended = True


def load_viewer(ground: Ground, identity: Identity) -> Viewer | None:
    """Who looks: by the bearer token when there is one, else by the session. Raises NotSignedIn for a bad token."""
    field = request.headers.get("Authorization")
    if field is None:
        browser = here()
        if browser.visit is not None:
            return _visitor(browser.visit)
        found = browser.live
        return (
            None if found is None else _viewer(found.person, session_id=str(found.id), sign_in=found.sign_in)
        )
    if field[: len(BEARER)].lower() != BEARER:
        raise NotSignedIn(cause="an Authorization field that is no bearer token")
    now = ground.clock.now()
    with ground.database.reading() as db:
        bearer = identity.tokens.find(db, field[len(BEARER) :].strip(), now)
    if bearer is None:
        raise NotSignedIn(cause="an unknown or ended token")
    if bearer.use_is_due:
        with ground.database.writing() as db:
            identity.tokens.used(db, bearer.token_id, now)
    return _viewer(bearer.person, scopes=_names(bearer.scopes))


@lru_cache(maxsize=256)
def _names(scopes: frozenset[Scope]) -> frozenset[str]:
    """As `Viewer` has them: an enumeration does not hash like its text."""
    return frozenset(str(scope) for scope in scopes)


def _viewer(
    person: Person,
    *,
    session_id: str | None = None,
    scopes: frozenset[str] | None = None,
    sign_in: SignIn | None = None,
) -> Viewer:
    return Viewer(
        person=person.id,
        actor=person.actor,
        name=person.name,
        roles=_ADMIN if person.is_admin else _MEMBER,
        language=person.language,
        session_id=session_id,
        scopes=scopes,
        sign_in=sign_in,
    )


def _visitor(visit: LiveVisit) -> Viewer:
    who = visit.visitor
    return Viewer(
        person=None,
        actor=who.actor,
        name=who.name,
        roles=_VISITOR,
        language=who.language,
        session_id=f"visit-{visit.id}",
        sign_in=who.sign_in,
    )


def _face(visit: LiveVisit) -> shown.Person:
    who = visit.visitor
    return shown.Person(who.name, shown.Org(who.organisation, domain=urlsplit(who.node).netloc))


def frame_of(_viewer: Viewer) -> dict[str, Any]:
    """What a page has around it for who is signed in with this browser: fields of `shown.Frame`."""
    browser = here()
    prefers: Person | LiveVisit | None = browser.live.person if browser.live else browser.visit
    if prefers is None:
        return {}
    visitor = {"me": _face(browser.visit)} if browser.visit else {}
    return {
        **visitor,
        "theme": prefers.theme,
        "shortcuts": prefers.shortcuts,
        "notices": tuple(get_flashed_messages(with_categories=True)),
    }
