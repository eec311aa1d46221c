"""Pages for administrators: the people of this organisation, how they come in, what they may do, how they leave.

Rule: for administrators alone. A one-time link is shown in the answer that made it and nowhere else; closing an
account is asked twice; oneself one cannot close or lower here. Source: SECURITY I1–I4, I18; PRODUCT row 69.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import current_app, flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from node.config import Provider
from node.core.errors import Absent, Changed, Invalid
from node.core.http import forms, shown
from node.core.http.context import ground
from node.core.http.guards import Viewer, guarded, viewer
from node.core.http.rendering import page
from node.identity.services.identity import Identity, identity_of
from node.identity.services.people import Claims, Person, Role
from node.identity.web import FOUND_ELSEWHERE, RELYING_PARTY, web
from schemas.forms.identity import NewPerson, RoleOf

PER_PAGE = 50
MAX_WORDS_CHARS = 120
SHOWN: dict[str, dict[str, Any]] = {
    "": {},
    "open": {"closed": False},
    "admin": {"role": Role.ADMIN, "closed": False},
    "closed": {"closed": True},
}
"""Value of the filter -> what it asks of `People.everybody`."""


class Oneself(Changed):
    """An administrator would lock himself or herself out."""

    def __init__(self) -> None:
        super().__init__(_("Your own account is for another administrator to change."))


def navigation(who: Viewer) -> Iterable[shown.NavItem]:
    """The entries of the left column, for administrators."""
    if "admin" in who.roles:
        yield shown.NavItem("people", _("People"), url_for("identity.people"), "users", "u", dock=False)
        yield shown.NavItem("keys", _("Keys"), url_for("identity.keys"), "key-round", dock=False)


@web.get("/admin/people")
@guarded("admin")
def people() -> str:
    """The people of this organisation, by account name."""
    words = request.args.get("q", "").strip()[:MAX_WORDS_CHARS]
    only, after = request.args.get("only", ""), request.args.get("after", "")
    if only not in SHOWN:
        only = ""
    identity = _identity()
    with ground().database.reading() as db:
        found = identity.people.everybody(db, words=words, after=after, limit=PER_PAGE + 1, **SHOWN[only])
        here = found[:PER_PAGE]
        signed_in = identity.sessions.last_begun(db, [each.id for each in here])
        invited = identity.accounts.without_password(db, here)
        admins = identity.people.count_admins(db)
    narrowed: dict[str, Any] = {name: value for name, value in (("q", words), ("only", only)) if value}
    older = here[-1].preferred_username if len(found) > PER_PAGE else ""
    return page(
        "identity/people.html",
        people=[_account(each, signed_in.get(each.id), invited=each.id in invited) for each in here],
        only_admin=admins == 1,
        filtered=bool(narrowed),
        values={"q": words, "only": only},
        next=shown.Next(
            newer=url_for("identity.people", **narrowed) if after else "",
            older=url_for("identity.people", **narrowed, after=older) if older else "",
        ),
    )


@web.route("/admin/people/new", methods=["GET", "POST"])
@guarded("admin")
def new_person() -> str | Response | tuple[str, int]:
    """Adds someone: with a password of this node, by a one-time link, or as a provider will name them."""
    ways = _ways()
    if request.method == "GET":
        return _new_page(ways)
    values, errors = forms.read(NewPerson())
    way = values.get("way", "")
    if "account" in errors:
        errors["account"] = _("Use small letters, digits, dots and hyphens, at most 32.")
    if way not in {value for value, _label, _small in ways}:
        errors["way"] = _("Choose one of these.")
    elif way and not values.get("subject", "").strip():
        errors.setdefault("subject", _("Ask the provider’s administrator for it; it is called “sub”."))
    if errors:
        return _new_page(ways, values, errors), Invalid.status
    role, by = Role(values["role"]), viewer().actor
    if not way:
        person, secret = _identity().add_person(values["name"], role, handle=values["account"], by=by)
        return _person_page(person, secret, added=True)
    claims = Claims(_providers()[way].issuer, values["subject"].strip(), values["name"], values["account"])
    try:
        person = _identity().expect_person(claims, role, by=by)
    except Changed as refusal:
        return _new_page(ways, values, forms.sentences(refusal)), refusal.status
    flash(_("%(name)s can sign in now.", name=person.name), "ok")
    return _to(person)


@web.get("/admin/people/<key>")
@guarded("admin")
def person(key: str) -> str:
    """One person: account, role, last sign-in, and what an administrator may do."""
    return _person_page(_by_key(key))


@web.post("/admin/people/<key>/role")
@guarded("admin")
def set_person_role(key: str) -> Response | tuple[str, int]:
    """Makes someone an administrator, or a member again."""
    found = _another(key)
    values, errors = forms.read(RoleOf())
    if errors:
        return _person_page(found, errors=errors), Invalid.status
    try:
        changed = _identity().give_role(found.id, Role(values["role"]), by=viewer().actor)
    except Changed as refusal:
        return _person_page(found, errors=forms.sentences(refusal)), refusal.status
    if changed.is_admin:
        flash(_("%(name)s may administer this node now.", name=changed.name), "ok")
    else:
        flash(_("%(name)s no longer administers this node.", name=changed.name), "ok")
    return _to(changed)


@web.post("/admin/people/<key>/close")
@guarded("admin")
def close_person(key: str) -> Response | tuple[str, int]:
    """Closes an account: every session, token and open link ends at once."""
    found = _another(key)
    try:
        closed = _identity().disable(found.id, by=viewer().actor)
    except Changed as refusal:
        return _person_page(found, errors=forms.sentences(refusal)), refusal.status
    flash(_("The account of %(name)s is closed.", name=closed.name), "ok")
    return _to(closed)


@web.post("/admin/people/<key>/open")
@guarded("admin")
def open_person(key: str) -> Response:
    """Opens a closed account again."""
    opened = _identity().enable(_by_key(key).id, by=viewer().actor)
    flash(_("The account of %(name)s is open again.", name=opened.name), "ok")
    return _to(opened)


@web.post("/admin/people/<key>/link")
@guarded("admin")
def person_link(key: str) -> str | tuple[str, int]:
    """Makes a new one-time link to choose a password and shows it this once; older ones end."""
    found = _by_key(key)
    if not _may_link(found):
        raise Absent(f"{found.preferred_username} has no password here")
    return _person_page(found, _identity().password_link(found.id, by=viewer().actor))


def _new_page(
    ways: Sequence[tuple[str, str, str]],
    values: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
) -> str:
    return page("identity/person_new.html", ways=ways, values=values or {}, errors=errors or {})


def _person_page(
    found: Person, secret: str = "", *, added: bool = False, errors: Mapping[str, str] | None = None
) -> str:
    identity = _identity()
    with ground().database.reading() as db:
        signed_in = identity.sessions.last_begun(db, [found.id])
        invited = identity.accounts.without_password(db, [found])
    return page(
        "identity/person.html",
        account=_account(found, signed_in.get(found.id), invited=found.id in invited),
        link=f"{ground().settings.origin}/welcome/{secret}" if secret else "",
        added=added,
        errors=errors or {},
    )


def _account(found: Person, signed_in: datetime | None, *, invited: bool) -> shown.Account:
    state: shown.AccountState = "invited" if invited else "open"
    return shown.Account(
        key=found.wire_id,
        person=shown.Person(found.name, shown.Org(ground().settings.organisation, ours=True)),
        name=found.preferred_username,
        role="admin" if found.is_admin else "member",
        state="closed" if found.disabled_at else state,
        provider=_vouches(found.issuer),
        added=found.created_at,
        signed_in=signed_in,
        closed=found.disabled_at,
        you=found.id == viewer().person_id,
        may_link=_may_link(found),
    )


def _vouches(issuer: str) -> str:
    """The label of the provider with this issuer, or the issuer when it is no longer set up; empty for ours."""
    if issuer == _identity().accounts.issuer:
        return ""
    return next((each.label for each in _providers().values() if each.issuer == issuer), issuer)


def _ways() -> list[tuple[str, str, str]]:
    """(value, label, small print) of how someone new may sign in here."""
    ways = [(each.name, each.label, each.issuer) for each in _providers().values()]
    if ground().settings.builtin_accounts:
        here = _("With a password of this node"), _("You get a link to hand over; it works once")
        ways.insert(0, ("", *here))
    return ways


def _may_link(found: Person) -> bool:
    return (
        found.disabled_at is None
        and found.issuer == _identity().accounts.issuer
        and ground().settings.builtin_accounts
    )


def _providers() -> Mapping[str, Provider]:
    providers: Mapping[str, Provider] = current_app.extensions[RELYING_PARTY].providers
    return providers


def _another(key: str) -> Person:
    """The person with this key. Raises Oneself, NoSuchPerson."""
    found = _by_key(key)
    if found.id == viewer().person_id:
        raise Oneself
    return found


def _by_key(key: str) -> Person:
    with ground().database.reading() as db:
        return _identity().people.by_wire_id(db, key)


def _identity() -> Identity:
    return identity_of(ground())


def _to(found: Person) -> Response:
    return redirect(url_for("identity.person", key=found.wire_id), FOUND_ELSEWHERE)
