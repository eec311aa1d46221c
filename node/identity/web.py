"""Pages of identity: the door of the house, one-time links, and one's own account.

Rule: no list of partners on the door (DECISIONS 28); `next` is a path of ours or it is `/`; a sign-in starts by
a button, never by a link. Source: PRODUCT D.0, D.23; SECURITY TH-41, TH-42, TH-50, H7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import Blueprint, current_app, flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from node.config import LANGUAGES
from node.core.errors import Absent, Invalid
from node.core.http import forms, shown
from node.core.http.context import ground
from node.core.http.guards import OPEN_DOORS, guarded, viewer_or_none
from node.core.http.headers import allow_form_targets
from node.core.http.rendering import page
from node.core.i18n import LANGUAGE_COOKIE
from node.identity import browser, stepping
from node.identity.devices import device_of
from node.identity.oidc import Pending, RelyingParty
from node.identity.services.accounts import Invitation, LinkUsed, Purpose, TooManyAttempts, WrongPassword
from node.identity.services.answers import SignInRefused
from node.identity.services.identity import Browser, Identity, Welcome, identity_of
from node.identity.services.people import Person
from node.identity.services.sessions import LiveSession
from node.identity.services.tokens import FOR_ADMINS, Scope
from schemas.forms.identity import Again, FirstAdmin, NewPassword, NewToken, Preferences, SignIn

PENDING = "pending"
RELYING_PARTY = "parvis.relying_party"
ONE_YEAR_S = 31_536_000
MAX_NEXT_CHARS = 2048
FOUND_ELSEWHERE = 303  # RFC 9110, section 15.4.4: go there with GET

web = Blueprint("identity", __name__)

OPEN_DOORS.update(
    {
        "identity.signin": "the door itself",
        "identity.start": "leads to a provider of this organisation",
        "identity.callback": "a provider sends the browser back here",
        "identity.first_admin": "the one-time link is the key",
        "identity.new_password": "the one-time link is the key",
        "identity.preferences": "who is not signed in chooses a language",
        "identity.signout": "does nothing without a session",
    },
)


@web.route("/signin", methods=["GET", "POST"])
def signin() -> str | Response | tuple[str, int]:
    """The door: providers of this organisation, and name and password of a built-in account."""
    if request.method == "GET":
        next_path = path_of_ours(request.args.get("next", ""))
        return _to(next_path) if viewer_or_none() else _door(next_path)
    values, errors = forms.read(SignIn())
    next_path = path_of_ours(values.get("next", ""))
    if errors or not ground().settings.builtin_accounts:
        return _door(next_path, errors, values), Invalid.status
    try:
        welcome = _identity().sign_in_with_password(values["name"], values["password"], _browser())
    except (WrongPassword, TooManyAttempts) as refusal:
        return _door(next_path, {"": str(refusal.safe)}, values), refusal.status
    return _welcome(welcome, next_path)


@web.post("/signin/<provider>")
def start(provider: str) -> Response:
    """Leads to a provider, keeping in this browser what its answer must match."""
    return _lead_to(provider, path_of_ours(request.form.get("next", "")))


@web.get("/auth/callback/<provider>")
def callback(provider: str) -> Response:
    """Takes the answer of a provider, once, in the browser that asked."""
    party = _party()
    known = party.provider(provider)
    kept = browser.here().pop(PENDING, None)
    pending = None if kept is None else Pending(**kept)
    try:
        signed_in = party.finish(known, request.args.to_dict(flat=False), pending, ground().clock.now())
    except SignInRefused as refusal:
        _identity().refused(refusal.reason)
        raise
    assert pending is not None  # noqa: S101 -- finish() refuses without one
    welcome = _identity().sign_in_with_claims(
        signed_in.claims,
        provider=known.name,
        provider_session=signed_in.provider_session,
        creates=known.creates_people,
        state=pending.state,
        sign_in=signed_in.sign_in,
        browser=_browser(),
    )
    return _welcome(welcome, pending.next)


@web.post("/signout")
def signout() -> Response:
    """Ends the session of this browser."""
    live, visit = browser.here().live, browser.here().visit
    if live is not None:
        _identity().sign_out(live)
    elif visit is not None:
        _identity().end_visit(visit)
    browser.here().end()
    return _to(url_for("identity.signin"))


@web.route("/welcome/<token>", methods=["GET", "POST"])
def first_admin(token: str) -> str | Response | tuple[str, int]:
    """A one-time link that makes the first administrator; looking at it does not use it."""
    invitation = _invitation(token)
    if invitation.purpose is not Purpose.FIRST_ADMIN:
        return redirect(url_for("identity.new_password", token=token), FOUND_ELSEWHERE)
    if request.method == "GET":
        return page("identity/first_admin.html", token=token, errors={}, values={})
    values, errors = forms.read(FirstAdmin())
    if "name" in errors:
        errors["name"] = _("Use small letters, digits, dots and hyphens, at most 32.")
    if not errors:
        try:
            names = (values["display_name"], values["name"])
            return _welcome(_identity().use_link(token, *names, values["password"], _browser()), "/")
        except Invalid as wrong:
            errors = _sentences(wrong)
    shown_values = {name: value for name, value in values.items() if name != "password"}
    return page("identity/first_admin.html", token=token, errors=errors, values=shown_values), Invalid.status


@web.route("/welcome/<token>/password", methods=["GET", "POST"])
def new_password(token: str) -> str | Response | tuple[str, int]:
    """A one-time link to choose the password of a built-in account."""
    person = _invitation(token).person
    if person is None:
        return redirect(url_for("identity.first_admin", token=token), FOUND_ELSEWHERE)
    if request.method == "GET":
        return page("identity/new_password.html", token=token, errors={}, person=person)
    values, errors = forms.read(NewPassword())
    if not errors:
        try:
            return _welcome(_identity().use_link(token, "", "", values["password"], _browser()), "/")
        except Invalid as wrong:
            errors = _sentences(wrong)
    return page("identity/new_password.html", token=token, errors=errors, person=person), Invalid.status


@web.get("/me")
@guarded("visitor")
def me() -> str:
    """One's own account: display, sessions, tokens; a visitor's visit."""
    visit = browser.here().visit
    return _account(browser.live()) if visit is None else page("identity/visit.html", visit=visit)


@web.post("/me/preferences")
def preferences() -> Response | tuple[str, int]:
    """Keeps language, theme and keyboard; where nobody is signed in the language alone, in a cookie."""
    values, errors = forms.read(Preferences())
    answer = _to(path_of_ours(values.get("next", "")) if "next" in request.form else url_for("identity.me"))
    if errors:
        return answer
    live, visit = browser.here().live, browser.here().visit
    asked = {"language": values.get("language"), "theme": values.get("theme")}
    asked["shortcuts"] = values.get("shortcuts", False) if values["shortcuts_asked"] else None
    if live is not None:
        _identity().prefer(live.person.id, **asked)
    elif visit is not None:
        _identity().prefer_for_visit(visit, **asked)
    if values.get("language") in LANGUAGES:
        answer.set_cookie(
            LANGUAGE_COOKIE,
            values["language"],
            max_age=ONE_YEAR_S,
            secure=ground().settings.origin.startswith("https:"),
            httponly=True,
            samesite="Lax",
        )
    return answer


@web.route("/me/again", methods=["GET", "POST"])
@guarded()
def again() -> str | Response | tuple[str, int]:
    """Signs in once more, as a charter asks (RFC 9470): says what is missing, then leads back to the text."""
    live = browser.live()
    if request.method == "GET":
        asked, errors = forms.read(Again(), request.args)
        return _again_page(live, {} if errors else asked)
    asked, errors = forms.read(Again())
    if errors:
        return _again_page(live, {}), Invalid.status
    next_path = path_of_ours(asked["next"])
    if live.provider is not None:
        return _lead_to(
            live.provider, next_path, acr_values=asked["acr_values"].split(), max_age=asked["max_age"]
        )
    try:
        handle = live.person.preferred_username
        welcome = _identity().sign_in_with_password(handle, asked["password"], _browser())
    except (WrongPassword, TooManyAttempts) as refusal:
        return _again_page(live, asked, {"password": str(refusal.safe)}), refusal.status
    return _welcome(welcome, next_path)


@web.post("/me/sessions/<int:key>/end")
@guarded()
def revoke_session(key: int) -> Response:
    """Signs another browser of the same person out."""
    live = browser.live()
    if key == live.id:
        raise Absent("one's own session ends by signing out")
    _identity().end_session(live.person, key)
    flash(_("That browser is signed out."), "ok")
    return _to(url_for("identity.me"))


@web.post("/me/sessions/end")
@guarded()
def revoke_others() -> Response:
    """Signs every other browser of the same person out."""
    live = browser.live()
    _identity().end_other_sessions(live.person, live.id)
    flash(_("Every other browser is signed out."), "ok")
    return _to(url_for("identity.me"))


@web.post("/me/tokens")
@guarded()
def new_token() -> str | tuple[str, int]:
    """Makes a token and shows it this once."""
    live = browser.live()
    values, errors = forms.read(NewToken())
    if "scopes" in errors:
        errors["scopes"] = _("Choose at least one thing that the token may do.")
    known = {scope.value: scope for scope in Scope}
    if not known.keys() >= set(values.get("scopes", ())):
        errors["scopes"] = _("There is no such right.")
    if errors:
        return _account(live, errors), Invalid.status
    try:
        scopes = [known[name] for name in values["scopes"]]
        lifetime = timedelta(days=values["days"])
        secret, _token = _identity().create_token(
            live.person.id, values["label"], scopes, lifetime, by=live.person.actor
        )
    except Invalid as wrong:
        return _account(live, _sentences(wrong)), Invalid.status
    return _account(live, new_token=secret)


@web.post("/me/tokens/<int:key>/end")
@guarded()
def revoke_token(key: int) -> Response:
    """Ends a token at once."""
    _identity().end_token(browser.live().person, key)
    flash(_("The token is worth nothing now."), "ok")
    return _to(url_for("identity.me"))


def path_of_ours(wanted: str) -> str:
    """`wanted` when it is a plain path (and query) on this origin, else `/`.

    Whatever a browser might read as another host is refused, not repaired: `//`, a backslash, controls.
    """
    plain = re.fullmatch(r"/[!-\[\]-~]*", wanted)
    if plain is None or len(wanted) > MAX_NEXT_CHARS:
        return "/"
    path = re.split(r"[?#]", wanted, maxsplit=1)[0]
    segments = path.lower().replace("%2e", ".").split("/")
    if "//" in path or not {".", ".."}.isdisjoint(segments) or path.startswith(("/signin", "/auth/")):
        return "/"
    return wanted


def _identity() -> Identity:
    return identity_of(ground())


def _party() -> RelyingParty:
    party = current_app.extensions[RELYING_PARTY]
    assert isinstance(party, RelyingParty)  # noqa: S101 -- narrows the type
    return party


def _browser() -> Browser:
    live = browser.here().live
    return Browser(
        user_agent=request.headers.get("User-Agent", ""),
        address=request.remote_addr or "",
        session_id=None if live is None else live.id,
    )


def _lead_to(name: str, next_path: str, **asked: Any) -> Response:
    """To the provider of this name. Raises Absent, ProviderUnavailable."""
    party = _party()
    address, pending = party.begin(party.provider(name), next_path, ground().clock.now(), **asked)
    browser.here()[PENDING] = pending.as_dict()
    if party.leads_to(address):
        return redirect(address, FOUND_ELSEWHERE)
    # The page's `form-action` did not know this origin, so a redirect would be blocked; a refresh is none.
    return Response(address, content_type="text/plain", headers={"Refresh": f"0; url={address}"})


def _again_page(live: LiveSession, asked: Mapping[str, Any], errors: Mapping[str, str] | None = None) -> str:
    provider = _party().providers.get(live.provider or "")
    if provider is not None:
        allow_form_targets(_party().form_targets)
    wanted = (asked.get("acr_values", "").split(), asked.get("max_age"))
    return page(
        "identity/again.html",
        asked=stepping.compared(live.sign_in, *wanted, ground().clock.now()),
        acr_values=" ".join(wanted[0]),
        max_age=wanted[1],
        provider=None if provider is None else shown.Provider(provider.name, provider.label),
        with_password=live.provider is None,
        errors=errors or {},
        next=path_of_ours(asked.get("next", "")),
    )


def _welcome(welcome: Welcome, next_path: str) -> Response:
    browser.here().begin(welcome.secret)
    return _to(path_of_ours(next_path))


def _to(path: str) -> Response:
    return redirect(path, FOUND_ELSEWHERE)


def _invitation(token: str) -> Invitation:
    try:
        return _identity().invitation(token)
    except LinkUsed:
        _identity().refused(LinkUsed.__name__)
        raise


def _door(
    next_path: str, errors: Mapping[str, str] | None = None, values: Mapping[str, Any] | None = None
) -> str:
    settings = ground().settings
    providers = [shown.Provider(each.name, each.label) for each in _party().providers.values()]
    if providers:
        allow_form_targets(_party().form_targets)
    return page(
        "identity/signin.html",
        providers=providers,
        accounts=settings.builtin_accounts,
        partners="visitors.start" in current_app.view_functions,
        errors=errors or {},
        values={"name": (values or {}).get("name", "")},
        next=next_path,
    )


def _account(live: LiveSession, errors: Mapping[str, str] | None = None, new_token: str = "") -> str:
    identity, now = _identity(), ground().clock.now()
    with ground().database.reading() as db:
        sessions = identity.sessions.of_person(db, live.person.id, now)
        tokens = identity.tokens.of_person(db, live.person.id, now)
    return page(
        "identity/me.html",
        sessions=[_session(each, live) for each in sessions],
        tokens=[
            shown.Token(
                key=str(each.id),
                label=each.name,
                scopes=[_scope(scope)[0] for scope in each.scopes],
                made=each.created_at,
                used=each.used_at,
                ends=each.expires_at,
            )
            for each in tokens
        ],
        scopes=_scopes(live.person),
        new_token=new_token,
        errors=errors or {},
    )


def _session(each: LiveSession, live: LiveSession) -> shown.Session:
    return shown.Session(
        key=str(each.id),
        device=device_of(each.user_agent),
        started=each.created_at,
        seen=each.seen_at,
        current=each.id == live.id,
    )


def _scopes(person: Person) -> list[tuple[str, str, str]]:
    """(value, label, small print) of what this person may give to a token."""
    offered = [scope for scope in Scope if person.is_admin or scope not in FOR_ADMINS]
    return [(scope.value, *_scope(scope)) for scope in offered]


def _scope(scope: Scope) -> tuple[str, str]:
    words = {
        Scope.ME_READ: _("Read who I am"),
        Scope.ME_WRITE: _("Change my settings, end my sessions and tokens"),
        Scope.SPACES_READ: _("Read my spaces"),
        Scope.SPACES_WRITE: _("Change my spaces"),
        Scope.POSTS_READ: _("Read posts"),
        Scope.POSTS_WRITE: _("Write posts"),
        Scope.FILES_READ: _("Read files"),
        Scope.FILES_WRITE: _("Send files"),
        Scope.RELATIONS_READ: _("Read our partners"),
        Scope.RELATIONS_ADMIN: _("Administer our partners"),
        Scope.PEOPLE_READ: _("Read the people of this organisation"),
        Scope.PEOPLE_ADMIN: _("Administer the people of this organisation"),
        Scope.AUDIT_READ: _("Read the audit log"),
        Scope.METRICS_READ: _("Read figures for a monitor"),
    }
    return words[scope], scope.value


def _sentences(wrong: Invalid) -> dict[str, str]:
    return {("label" if name == "name" else name): text for name, text in forms.sentences(wrong).items()}
