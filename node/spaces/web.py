"""Pages of spaces: the list, a new one, who is in, sharing with a partner, what partners offer us.

Rule: absent and forbidden are one answer; what a service refuses becomes a sentence on the same page. The page of a
space itself, with its discussions, is of `threads`. Source: PRODUCT D.2, D.3, D.5; node/templates/CONTEXTS.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from flask_babel import gettext as _
from marshmallow import Schema, ValidationError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from node.core.errors import NodeError
from node.core.http import shown
from node.core.http.context import ground
from node.core.http.guards import Viewer, guarded, viewer
from node.core.http.rendering import page
from node.identity.services.identity import identity_of
from node.spaces import audience as readers
from node.spaces.present import Looks
from node.spaces.roles import Role
from node.spaces.services import asking, forks, reading, requests, sharing
from node.spaces.services import spaces as use
from node.spaces.services.spaces import By
from schemas.forms.spaces import AddMember, Answer, Ask, GiveRole, NewSpace, RemoveOrganisation, Share

FOUND_ELSEWHERE = 303  # RFC 9110, section 15.4.4: go there with GET
FRAME_SPACES = 12

web = Blueprint("spaces", __name__)


@web.get("/spaces")
@guarded("visitor")
def index() -> str:
    """The spaces that one is in."""
    who = viewer()
    with ground().database.reading() as session:
        return page(
            "spaces/list.html",
            spaces=lines(session, who),
            may_create=not who.is_visitor,
            offered=0 if who.is_visitor else _waiting(session, who),
        )


@web.route("/spaces/new", methods=["GET", "POST"])
@guarded()
def new() -> str | Response | tuple[str, int]:
    """A new space, among colleagues at first."""
    if request.method == "GET":
        return page("spaces/new.html", values={}, errors={})
    values, errors = read_form(NewSpace())
    try:
        if not errors:
            key = use.create(ground(), by(), values["name"], values["purpose"])
            return redirect(url_for("spaces.space", key=key), FOUND_ELSEWHERE)
    except NodeError as refusal:
        return page("spaces/new.html", values=values, errors=sentences(refusal)), refusal.status
    return page("spaces/new.html", values=values, errors=errors), 422


@web.get("/spaces/invitations")
@guarded()
def invitations() -> str:
    """What partners offer the house (administrators), and what one may join."""
    who = viewer()
    with ground().database.reading() as session:
        looks = Looks(session, ground())
        offered = reading.offered(session) if "admin" in who.roles else []
        joinable = reading.joinable(session, who.actor)
        there = reading.shares(session, [each.space_id for each in joinable])
        return page(
            "spaces/invitations.html",
            offered=[_invitation(looks, each, None) for each in offered],
            joinable=[_invitation(looks, each, there.get(each.space_id)) for each in joinable],
            may_withdraw="admin" in who.roles,
        )


@web.post("/spaces/invitations/<key>")
@guarded("admin")
def answer_invitation(key: str) -> Response:
    """Accepts a partner's space for the house, or declines it."""
    values, errors = read_form(Answer())
    accepts = not errors and values["answer"] == "accept"
    if not errors:
        sharing.answer(ground(), by(), key, accept=accepts)
        flash(_("Accepted. Your colleagues may come in now.") if accepts else _("Declined."), "ok")
    return redirect(url_for("spaces.invitations"), FOUND_ELSEWHERE)


@web.route("/spaces/ask", methods=["GET", "POST"])
@guarded()
def ask() -> str | Response | tuple[str, int]:
    """Asks to come into a partner's space by its address, and shows what became of earlier requests."""
    if request.method == "GET":
        return _ask_page({}, {})
    values, errors = read_form(Ask())
    try:
        if not errors:
            asking.ask(ground(), by(), values["address"].strip())
            flash(_("Asked. A manager of the space decides."), "ok")
            return redirect(url_for("spaces.ask"), FOUND_ELSEWHERE)
    except NodeError as refusal:
        return _ask_page(values, sentences(refusal)), refusal.status
    return _ask_page(values, errors), 422


@web.get("/spaces/<key>/audience")
@guarded("visitor")
def audience(key: str) -> str | tuple[str, int]:
    """Whether the list that a writer saw still holds (204), else the new one."""
    who, stamp = viewer(), request.args.get("token", "")
    with ground().database.reading() as session:
        space = reading.seen(session, key, who.actor)
        found = readers.audience(session, ground(), space.id)
        token, _dot, moment = stamp.partition(".")
        if token == found.token:
            return "", 204
        changed = readers.difference(found, moment)
        shown_now = Looks(session, ground()).audience(found, space.participant_id, difference=changed)
        return page(
            "spaces/_audience.html",
            audience=shown_now,
            space_key=key,
            id=request.args.get("id", "composer-to")[:64],
        )


@web.get("/spaces/<key>/members")
@guarded("visitor")
def members(key: str) -> str:
    """Who is in, by organisation."""
    return _members_page(key)


@web.post("/spaces/<key>/members")
@guarded()
def add_member(key: str) -> Response | tuple[str, int]:
    """Takes in a colleague."""
    values, errors = read_form(AddMember())
    try:
        if not errors:
            use.add_member(ground(), by(), key, values["person"])
            return _to_members(key)
    except NodeError as refusal:
        return _members_page(key, sentences(refusal)), refusal.status
    return _members_page(key, errors), 422


@web.post("/spaces/<key>/members/<person>/role")
@guarded()
def set_role(key: str, person: str) -> Response | tuple[str, int]:
    """Makes somebody manager, or member again."""
    values, errors = read_form(GiveRole())
    try:
        if not errors:
            use.give_role(ground(), by(), key, person, Role(values["role"]))
            return _to_members(key)
    except NodeError as refusal:
        return _members_page(key, sentences(refusal)), refusal.status
    return _members_page(key, errors), 422


@web.post("/spaces/<key>/members/<person>/remove")
@guarded()
def remove_member(key: str, person: str) -> Response | tuple[str, int]:
    """Takes somebody out."""
    try:
        use.remove(ground(), by(), key, person)
    except NodeError as refusal:
        return _members_page(key, sentences(refusal)), refusal.status
    return _to_members(key)


@web.post("/spaces/<key>/requests/<asked>")
@guarded()
def answer_request(key: str, asked: str) -> Response | tuple[str, int]:
    """Lets somebody in who asked, or declines."""
    values, errors = read_form(Answer())
    accepts = not errors and values["answer"] == "accept"
    try:
        if not errors:
            requests.answer(ground(), by(), key, asked, accept=accepts)
            flash(_("Let in. All members see it.") if accepts else _("Declined."), "ok")
            return _to_members(key)
    except NodeError as refusal:
        return _members_page(key, sentences(refusal)), refusal.status
    return _members_page(key, errors), 422


@web.post("/spaces/<key>/organisations/remove")
@guarded()
def remove_organisation(key: str) -> Response | tuple[str, int]:
    """Takes a partner's organisation out, all its people with it."""
    values, errors = read_form(RemoveOrganisation())
    try:
        if not errors:
            sharing.remove_organisation(ground(), by(), key, values["node"])
            flash(_("Taken out. None of its people reads here from now on."), "ok")
            return _to_members(key)
    except NodeError as refusal:
        return _members_page(key, sentences(refusal)), refusal.status
    return _members_page(key, errors), 422


@web.post("/spaces/<key>/withdraw")
@guarded("admin")
def withdraw(key: str) -> Response:
    """Takes the whole house out of a partner's space."""
    sharing.leave_as_organisation(ground(), by(), key)
    flash(_("The house has left the space."), "ok")
    return redirect(url_for("spaces.index"), FOUND_ELSEWHERE)


@web.route("/spaces/<key>/share", methods=["GET", "POST"])
@guarded()
def share(key: str) -> str | Response | tuple[str, int]:
    """Offers the space to a partner."""
    if request.method == "GET":
        return _share_page(key)
    values, errors = read_form(Share())
    if errors:
        return _share_page(key, values, errors), 422
    try:
        sharing.share(ground(), by(), key, values["partner"], values["history"], values.get("history_from"))
    except NodeError as refusal:
        return _share_page(key, values, sentences(refusal)), refusal.status
    flash(_("Offered. Their administrator is asked first."), "ok")
    return redirect(url_for("spaces.space", key=key), FOUND_ELSEWHERE)


@web.post("/spaces/<key>/join")
@guarded()
def join(key: str) -> Response:
    """Enters a partner's space that the house has accepted."""
    use.join(ground(), by(), key)
    flash(_("You have asked to come in. It takes a moment."), "ok")
    return redirect(url_for("spaces.index"), FOUND_ELSEWHERE)


@web.post("/spaces/<key>/leave")
@guarded()
def leave(key: str) -> Response | tuple[str, int]:
    """Leaves a space."""
    try:
        use.leave(ground(), by(), key)
    except NodeError as refusal:
        return _members_page(key, sentences(refusal)), refusal.status
    return redirect(url_for("spaces.index"), FOUND_ELSEWHERE)


def by() -> By:
    """Who acts, as services want it."""
    who = viewer()
    return By(who.actor, who.sign_in)


def lines(session: Session, who: Viewer, most: int | None = None) -> list[shown.SpaceLine]:
    """The spaces of the viewer, for lists."""
    found = reading.of_person(session, who.actor)[:most]
    if not found:
        return []
    looks = Looks(session, ground())
    there = reading.shares(session, [each.id for each in found])
    return [looks.line(each, there.get(each.id, [])) for each in found]


def lines_with(who: Viewer, node: str) -> list[shown.SpaceLine]:
    """Those of the viewer's spaces in which the organisation of this node actor is, for its page."""
    with ground().database.reading() as session:
        found = reading.of_person(session, who.actor)
        there = reading.shares(session, [each.id for each in found])
        looks = Looks(session, ground())
        return [
            looks.line(each, there[each.id])
            for each in found
            if any(share_.organisation.node == node for share_ in there.get(each.id, ()))
        ]


def navigation(who: Viewer) -> Iterable[shown.NavItem]:
    """The entry of the left column."""
    waiting = 0
    if not who.is_visitor:
        with ground().database.reading() as session:
            asked = sum(each.count for each in requests.waiting(session, who.actor))
            waiting = _waiting(session, who) + asked
    yield shown.NavItem("spaces", _("Spaces"), url_for("spaces.index"), "layout-grid", "s", waiting)


def frame(who: Viewer) -> Mapping[str, Any]:
    """The viewer's spaces in the left column."""
    with ground().database.reading() as session:
        return {"spaces": lines(session, who, FRAME_SPACES)}


def read_form(schema: Schema) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields of the form that hold, and a sentence for each that does not. An empty field is an absent one."""
    sent = {name: request.form[name] for name in schema.fields if request.form.get(name, "").strip()}
    try:
        return dict(schema.load(sent)), {}
    except ValidationError as wrong:
        told = {name: _("This can’t be used. Change it, or fill it in.") for name in wrong.messages_dict}
        return sent, told


def sentences(refusal: NodeError) -> dict[str, str]:
    """What a service refused, by field."""
    by_field = refusal.members.get("errors")
    if isinstance(by_field, Mapping) and by_field:
        return {str(name): str(sentence) for name, sentence in by_field.items()}
    return {"": str(refusal.safe)}


def _waiting(session: Session, who: Viewer) -> int:
    """How many spaces are open to the viewer, or to the house when the viewer decides for it."""
    offered = len(reading.offered(session)) if "admin" in who.roles else 0
    return offered + len(reading.joinable(session, who.actor))


def _to_members(key: str) -> Response:
    return redirect(url_for("spaces.members", key=key), FOUND_ELSEWHERE)


def _members_page(key: str, errors: Mapping[str, str] | None = None) -> str:
    who = viewer()
    with ground().database.reading() as session:
        space = reading.seen(session, key, who.actor)
        found = readers.audience(session, ground(), space.id)
        counted = reading.shares(session, [space.id]).get(space.id, [])
        looks = Looks(session, ground(), who.is_visitor)
        seen = looks.space(space, found, counted)
        groups = []
        nodes = {looks.org(each.organisation.node): each.organisation.node for each in counted}
        for share_ in seen.shares:
            inside = [
                shown.Member(
                    looks.person(each),
                    "manager" if each.role is Role.MANAGER else "member",
                    each.since,
                    you=each.id == space.participant_id,
                    may_remove=space.managed and each.id != space.participant_id and not who.is_visitor,
                    may_promote=seen.may_manage,
                )
                for each in (*found.people, *found.apart)
                if looks.org(each.node) == share_.org
            ]
            node = nodes[share_.org]
            removable = seen.may_manage and not share_.org.ours
            apart = any(each.node == node for each in found.apart)
            groups.append(shown.MemberGroup(share_.org, inside, node, removable, apart))
        present = {each.person_id for each in found.people}
        addable = []
        if seen.may_manage:
            addable = [
                shown.Person(
                    each.name, shown.Org(ground().settings.organisation, ours=True), key=each.wire_id
                )
                for each in identity_of(ground()).people.active(session)
                if each.id not in present
            ]
        asking = requests.listed(session, ground(), key, by()) if seen.requests else []
        return page(
            "spaces/members.html",
            space=seen,
            groups=groups,
            requests=[looks.request(each) for each in asking],
            addable=addable,
            may_withdraw="admin" in who.roles and not space.hosted,
            address=space.iri,
            forked=forks.forked_at(session, space.id),
            errors=errors or {},
        )


def _ask_page(values: Mapping[str, Any], errors: Mapping[str, str]) -> str:
    with ground().database.reading() as session:
        looks = Looks(session, ground())
        asked = [looks.asked(each) for each in asking.listed(session, viewer().actor)]
        return page("spaces/ask.html", asked=asked, values=values, errors=errors)


def _share_page(
    key: str, values: Mapping[str, Any] | None = None, errors: Mapping[str, str] | None = None
) -> str:
    who = viewer()
    with ground().database.reading() as session:
        space = reading.seen(session, key, who.actor)
        looks = Looks(session, ground())
        counted = reading.shares(session, [space.id]).get(space.id, [])
        past = sharing.past(session, space)
        partners = [looks.org(face.node) for face in sharing.partners(session, space)]
        typed = {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in (values or {}).items()
            if value is not None
        }
        return page(
            "spaces/share.html",
            space=looks.space(space, readers.audience(session, ground(), space.id), counted),
            partners=partners if space.managed and space.hosted else [],
            posts=past.turns,
            oldest=past.oldest,
            may_invite="admin" in who.roles,
            values=typed,
            errors=errors or {},
        )


def _invitation(looks: Looks, offer: reading.Offer, there: list[reading.Share] | None) -> shown.Invitation:
    host = looks.org(offer.host.node, offer.host.name)
    if there is not None:
        shares = looks.shares(there)
    else:
        named = {host.name: host}
        shares = [
            shown.Share(named.get(name, shown.Org(name, state="unverified")), count)
            for name, count in offer.shares
        ]
    space = shown.SpaceLine(offer.space_key, offer.name, shares, offer.purpose, None, "", host)
    return shown.Invitation(offer.key, space, host, offer.at, offer.history_from, offer.retention)
