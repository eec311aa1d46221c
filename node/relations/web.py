"""Pages of partners: the wizard from the invitation to the charter, and how each relation runs.

Rule: for administrators alone, but for the page that an invitation link opens. What a service refuses becomes a
sentence on the same page. Source: PRODUCT D.15 to D.17, B10; DECISIONS 27; node/templates/CONTEXTS.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from flask_babel import gettext as _
from marshmallow import Schema, ValidationError
from werkzeug.wrappers import Response

from node.core.errors import Absent, NodeError
from node.core.http import shown
from node.core.http.context import ground
from node.core.http.guards import OPEN_DOORS, Viewer, guarded, viewer
from node.core.http.rendering import language, page
from node.relations import phrases, present
from node.relations.services import terms
from node.relations.services.desk import By, NotTheStep
from node.relations.services.invitations import Invitation, LooksAlike
from node.relations.services.partners import Partner
from node.relations.services.relations import Relations, relations_of
from schemas.as2.agreement import DISPOSITIONS
from schemas.forms.relations import Accept, Agree, Charter, End, Invite, Suspend

FOUND_ELSEWHERE = 303  # RFC 9110, section 15.4.4: go there with GET

web = Blueprint("relations", __name__)

OPEN_DOORS["relations.where"] = "what an invitation link opens: the same for everybody, it learns nothing"


@web.get("/peering/invite")
def where() -> str:
    """What an invitation link opens: says where the link belongs; what stands behind # stays in the browser."""
    return page("relations/where.html")


@web.get("/partners")
@guarded("admin")
def index() -> str:
    """Partners and open invitations, and how each runs."""
    return page("relations/list.html", relations=[present.line(each) for each in _relations().everybody()])


@web.route("/partners/invite", methods=["GET", "POST"])
@guarded("admin")
def invite() -> str | tuple[str, int]:
    """Makes an invitation; its link is shown this once."""
    if request.method == "GET":
        return _invite_page()
    values, errors = _read(Invite())
    if errors:
        return _invite_page(values, errors), 422
    try:
        made = _relations().invite(
            _by(),
            host=values["domain"],
            purpose=values["purpose"],
            contract=values["contract"],
            is_another=values["alike"],
        )
    except LooksAlike as refusal:
        return _invite_page(values, alike=refusal.known), refusal.status
    except NodeError as refusal:
        return _invite_page(values, _sentences(refusal)), refusal.status
    return _invite_page(made=made)


@web.route("/partners/accept", methods=["GET", "POST"])
@guarded("admin")
def accept() -> str | Response | tuple[str, int]:
    """Accepts the link of another company."""
    if request.method == "GET":
        return page("relations/accept.html", values={}, errors={})
    values, errors = _read(Accept())
    try:
        if not errors:
            partner = _relations().accept(values["link"], _by())
            return _to(partner.key)
    except NodeError as refusal:
        page_ = page("relations/accept.html", values=values, errors=_sentences(refusal))
        return page_, refusal.status
    return page("relations/accept.html", values=values, errors=errors), 422


@web.get("/partners/<key>")
@guarded("admin")
def partner(key: str) -> str:
    """One partner at its step: fingerprint, charter, or how it runs."""
    return _page(_relations().partner(key))


@web.post("/partners/<key>/cancel")
@guarded("admin")
def cancel(key: str) -> Response:
    """Ends an invitation that nobody has used."""
    _relations().cancel(key, _by())
    flash(_("The invitation no longer works."), "ok")
    return redirect(url_for("relations.index"), FOUND_ELSEWHERE)


@web.post("/partners/<key>/verify")
@guarded("admin")
def verify(key: str) -> Response | tuple[str, int]:
    """Confirms the fingerprint with the groups that the other administrator read aloud."""
    form = request.form
    typed = {
        int(name.removeprefix("group-")): value
        for name, value in form.items()
        if name in {f"group-{number}" for number in range(1, 7)}
    }
    return _step(key, lambda: _relations().confirm(key, typed, form.get("channel", ""), _by()), form)


@web.get("/partners/<key>/fingerprint.svg")
@guarded("admin")
def qr(key: str) -> Response:
    """The fingerprint as a square to be read by another device; absent while groups are covered."""
    import segno

    seen = _relations().partner(key)
    if not seen.uncovered:
        raise Absent("groups are covered")
    text = "\n".join([ground().settings.origin, seen.node, " ".join(seen.uncovered)])
    square = segno.make(text, error="m", micro=False).svg_inline(
        omitsize=True, border=2, dark="#000", light="#fff"
    )
    drawn = square.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return Response(drawn, content_type="image/svg+xml")


@web.post("/partners/<key>/differs")
@guarded("admin")
def differs(key: str) -> Response:
    """The digits differ: the relation ends here."""
    _relations().differs(key, _by())
    flash(_("The relation ends here. Tell your security contact."), "stop")
    return redirect(url_for("relations.index"), FOUND_ELSEWHERE)


@web.route("/partners/<key>/charter", methods=["GET", "POST"])
@guarded("admin")
def propose(key: str) -> str | Response | tuple[str, int]:
    """The charter and its versions, with the form of another; proposes it, or answers theirs with it."""
    if request.method == "GET":
        return _charter_page(_relations().partner(key))
    values, errors = _read(Charter())
    shown_again = _page if _relations().partner(key).agreement is None else _charter_page
    if errors:
        return shown_again(_relations().partner(key), values, errors, revising=True), 422
    choices = terms.Choices(**values)
    return _step(
        key, lambda: _relations().propose(key, choices, _by()), request.form, shown_again, revising=True
    )


@web.post("/partners/<key>/charter/agree")
@guarded("admin")
def agree(key: str) -> Response | tuple[str, int]:
    """Agrees to the text that was shown."""
    values, _errors = _read(Agree())
    approvers = [values["approver"]] if values.get("approver") else []
    return _step(key, lambda: _relations().agree(key, values.get("digest", ""), _by(), approvers))


@web.post("/partners/<key>/charter/decline")
@guarded("admin")
def decline(key: str) -> Response | tuple[str, int]:
    """Says no to their charter."""
    return _step(key, lambda: _relations().decline(key, _by()))


@web.post("/partners/<key>/charter/withdraw")
@guarded("admin")
def withdraw(key: str) -> Response | tuple[str, int]:
    """Takes our charter back, unless they have agreed."""
    return _step(key, lambda: _relations().withdraw(key, _by()))


@web.route("/partners/<key>/suspend", methods=["GET", "POST"])
@guarded("admin")
def suspend(key: str) -> str | Response | tuple[str, int]:
    """Suspends the relation, with a reason that both sides read."""
    if request.method == "GET":
        return _suspend_page(_relations().partner(key))
    values, errors = _read(Suspend())
    if errors:
        return _suspend_page(_relations().partner(key), values, errors), 422
    reason = values["reason"]
    answer = _step(key, lambda: _relations().suspend(key, reason, language(), _by()), values, _suspend_page)
    if isinstance(answer, Response):
        flash(_("Suspended: nothing passes any more, in either direction."), "ok")
    return answer


@web.post("/partners/<key>/resume")
@guarded("admin")
def resume(key: str) -> Response | tuple[str, int]:
    """Takes our suspension back."""
    answer = _step(key, lambda: _relations().resume(key, _by()))
    if isinstance(answer, Response):
        flash(_("Your suspension has ended."), "ok")
    return answer


@web.post("/partners/<key>/stops")
@guarded("admin")
def stop(key: str) -> Response | tuple[str, int]:
    """Stops the exchange in one space, or lets it go on there."""
    space, stopped = (
        request.form.get("space", ""),
        set(_relations().partner(key).spaces_stopped.get("us", ())),
    )
    if request.form.get("stop") == "true":
        stopped.add(space)
    else:
        stopped.discard(space)
    return _step(key, lambda: _relations().stop(key, sorted(stopped), _by()))


@web.route("/partners/<key>/end", methods=["GET", "POST"])
@guarded("admin")
def end(key: str) -> str | Response | tuple[str, int]:
    """Gives notice, or ends the relation now: says first what can't be taken back."""
    if request.method == "GET":
        return _end_page(_relations().partner(key))
    values, errors = _read(End())
    if values.get("when") == "on" and values.get("on") is None:
        errors.setdefault("on", _("Choose the day."))
    if errors:
        return _end_page(_relations().partner(key), values, errors), 422

    def act() -> None:
        _relations().end(
            key,
            on=values["on"] if values["when"] == "on" else None,
            disposition=values["disposition"],
            reason=values["reason"],
            language=language(),
            by=_by(),
        )

    return _step(key, act, values, _end_page)


@web.post("/partners/<key>/retry")
@guarded("admin")
def retry(key: str) -> Response | tuple[str, int]:
    """Tries again at once what had stopped: delivery to the partner, and lines of theirs that failed here."""
    answer = _step(key, lambda: _relations().retry(key, _by()))
    if isinstance(answer, Response):
        flash(_("Everything is being tried again now."), "ok")
    return answer


def navigation(who: Viewer) -> Iterable[shown.NavItem]:
    """The entry of the left column, for administrators."""
    if "admin" in who.roles:
        turns = _relations().turns()
        yield shown.NavItem("relations", _("Partners"), url_for("relations.index"), "building-2", "p", turns)


def _relations() -> Relations:
    return relations_of(ground())


def _by() -> By:
    return By(viewer().actor, viewer().name)


def _to(key: str) -> Response:
    return redirect(url_for("relations.partner", key=key), FOUND_ELSEWHERE)


def _step(
    key: str,
    act: Callable[[], object],
    values: Mapping[str, Any] | None = None,
    shown_again: Callable[..., str] | None = None,
    **options: bool,
) -> Response | tuple[str, int]:
    """Does one step and shows the partner's page; what was refused stands on its form, with what was typed."""
    try:
        act()
    except NotTheStep as refusal:
        return _page(_relations().partner(key), {}, {"": str(refusal.safe)}), refusal.status
    except NodeError as refusal:
        if "errors" not in refusal.members:
            raise
        again = shown_again or _page
        return again(_relations().partner(key), values or {}, _sentences(refusal), **options), refusal.status
    return _to(key)


def _invite_page(
    values: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
    *,
    alike: str = "",
    made: Invitation | None = None,
) -> str:
    return page(
        "relations/invite.html",
        link=made.link if made else "",
        expires=made.expires if made else None,
        key=made.key if made else "",
        alike=alike,
        values=values or {},
        errors=errors or {},
    )


def _page(
    partner: Partner,
    values: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
    *,
    revising: bool = False,
) -> str:
    return page(
        "relations/partner.html",
        relation=present.relation(partner),
        spaces=present.spaces(partner),
        revising=revising or "revise" in request.args,
        keep_choices=[(each, phrases.duration(each)) for each in terms.KEEP],
        labels=phrases.FURTHER,
        values=values if values is not None else present.chosen(partner),
        errors={**present.warnings(partner), **(errors or {})},
    )


def _charter_page(
    partner: Partner,
    values: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
    *,
    revising: bool = False,
) -> str:
    return page(
        "relations/charter.html",
        relation=present.relation(partner),
        versions=[present.version(each) for each in partner.versions],
        revising=revising or "revise" in request.args,
        keep_choices=[(each, phrases.duration(each)) for each in terms.KEEP],
        labels=phrases.FURTHER,
        values=values if values is not None else present.chosen(partner),
        errors=errors or {},
    )


def _suspend_page(
    partner: Partner, values: Mapping[str, Any] | None = None, errors: Mapping[str, str] | None = None
) -> str:
    return page(
        "relations/suspend.html", relation=present.relation(partner), values=values or {}, errors=errors or {}
    )


def _end_page(
    partner: Partner, values: Mapping[str, Any] | None = None, errors: Mapping[str, str] | None = None
) -> str:
    if partner.earliest_end is None or partner.ending is not None or partner.ended_at is not None:
        raise NotTheStep(partner.state)
    earliest = partner.earliest_end.date()
    return page(
        "relations/end.html",
        relation=present.relation(partner),
        earliest=earliest,
        dispositions=[(each, phrases.disposition(each), "") for each in DISPOSITIONS],
        values=values if values is not None else {"when": "on", "on": earliest.isoformat()},
        errors=errors or {},
    )


def _read(schema: Schema) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields of the form that hold, and a sentence for each that does not. An empty field is an absent one."""
    sent = {name: request.form[name] for name in schema.fields if request.form.get(name, "").strip()}
    try:
        return dict(schema.load(sent)), {}
    except ValidationError as wrong:
        fields = wrong.messages_dict
        return {**sent}, {name: _("This can’t be used. Change it, or fill it in.") for name in fields}


def _sentences(refusal: NodeError) -> dict[str, str]:
    errors = refusal.members.get("errors")
    if isinstance(errors, dict):
        return {name: str(sentence) for name, sentence in errors.items()}
    return {"": str(refusal.safe)}
