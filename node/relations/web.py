"""Pages of partners: the wizard from the invitation to the charter, and how each relation runs.

Rule: for administrators alone, but for the page that an invitation link opens. What a service refuses becomes a
sentence on the same page. Source: PRODUCT D.15 to D.17; DECISIONS 27; node/templates/CONTEXTS.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Blueprint, current_app, flash, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from marshmallow import Schema, ValidationError
from werkzeug.wrappers import Response

from node.core.errors import Absent, NodeError
from node.core.http import shown
from node.core.http.context import ground
from node.core.http.guards import OPEN_DOORS, Viewer, guarded, viewer
from node.core.http.rendering import language, page
from node.relations.services import health, terms
from node.relations.services.desk import By, NotTheStep
from node.relations.services.invitations import Invitation, LooksAlike
from node.relations.services.partners import Confirmed, Partner
from node.relations.services.relations import Relations, relations_of
from node.relations.services.words import words
from schemas.forms.relations import Accept, Agree, Charter, Invite

SPACES_OF = "parvis.relations.spaces_of"
"""Key of `app.extensions`: `(viewer, node actor of a partner) -> [shown.SpaceLine]`, set by whatever has spaces."""
FOUND_ELSEWHERE = 303  # RFC 9110, section 15.4.4: go there with GET

SpacesOf = Callable[[Viewer, str], Iterable[shown.SpaceLine]]

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
    return page("relations/list.html", relations=[_line(each) for each in _relations().everybody()])


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


@web.post("/partners/<key>/charter")
@guarded("admin")
def propose(key: str) -> Response | tuple[str, int]:
    """Proposes a charter, or another one in answer to theirs."""
    values, errors = _read(Charter())
    if errors:
        return _page(_relations().partner(key), values, errors, revising=True), 422
    values.pop("next", None)
    return _step(
        key, lambda: _relations().propose(key, terms.Choices(**values), _by()), request.form, revising=True
    )


@web.post("/partners/<key>/charter/agree")
@guarded("admin")
def agree(key: str) -> Response | tuple[str, int]:
    """Agrees to the text that was shown; in force at once."""
    values, _errors = _read(Agree())
    return _step(key, lambda: _relations().agree(key, values.get("digest", ""), _by()))


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
    key: str, act: Callable[[], object], values: Mapping[str, str] | None = None, *, revising: bool = False
) -> Response | tuple[str, int]:
    """Does one step and shows the page again; what was refused stands on it, with what was typed."""
    try:
        act()
    except NotTheStep as refusal:
        return _page(_relations().partner(key), {}, {"": str(refusal.safe)}), refusal.status
    except NodeError as refusal:
        if "errors" not in refusal.members:
            raise
        shown_again = _page(_relations().partner(key), values or {}, _sentences(refusal), revising=revising)
        return shown_again, refusal.status
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
    spaces: SpacesOf | None = current_app.extensions.get(SPACES_OF)
    return page(
        "relations/partner.html",
        relation=_relation(partner),
        spaces=list(spaces(viewer(), partner.node)) if spaces and partner.id else [],
        revising=revising or "revise" in request.args,
        keep_choices=[(each, duration(each)) for each in terms.KEEP],
        values=values if values is not None else _chosen(partner),
        errors={**_warnings(partner), **(errors or {})},
    )


def _warnings(partner: Partner) -> dict[str, str]:
    """What an administrator must know before going on."""
    if partner.state not in {"keys-exchanged", "verified", "offered"}:
        return {}
    said = []
    if partner.note == "other-key":
        said.append(_("Their node shows another key than the one that answered. Do not go on: call them."))
    if partner.alike:
        said.append(
            _("%(host)s looks like %(known)s, which is another node.", host=partner.host, known=partner.alike)
        )
    if partner.foreign_script:
        said.append(
            _(
                "The address has letters outside plain Latin; here it is as machines read it: %(host)s.",
                host=partner.host,
            )
        )
    if partner.waits:
        said.append(_("Their node has not taken our last step yet; it goes again by itself."))
    elif partner.note and partner.note != "other-key":
        said.append(_("Their node answered: %(answer)s", answer=partner.note))
    return {"": " ".join(said)} if said else {}


def _chosen(partner: Partner) -> dict[str, str]:
    """What the form of a charter begins with: what is on offer, else our register."""
    if partner.offer is None:
        return {
            "purpose": partner.purpose,
            "contract": partner.contract,
            "keep_ours": terms.DEFAULT_KEEP,
            "keep_theirs": terms.DEFAULT_KEEP,
        }
    offered = partner.offer.terms
    return {
        "purpose": offered.purpose,
        "contract": offered.contract,
        "new_spaces": "by-invite" if offered.new_spaces else "none",
        "onward": "allowed" if offered.onward else "none",
        "keep_ours": offered.keep_ours,
        "keep_theirs": offered.keep_theirs,
        "ends": offered.ends.isoformat(),
    }


def org_of(partner: Partner) -> shown.Org:
    """The partner as an organisation on pages."""
    verified = partner.hue is not None
    state: shown.OrgState = "unverified"
    if verified:
        state = "suspended" if partner.state == "suspended" else "verified"
    return shown.Org(partner.name, partner.hue, state=state, domain=partner.host, key=partner.key)


def _line(partner: Partner) -> shown.RelationLine:
    spaces: SpacesOf | None = current_app.extensions.get(SPACES_OF)
    return shown.RelationLine(
        key=partner.key,
        org=org_of(partner),
        state=partner.state,
        health=_health(partner),
        spaces=len(list(spaces(viewer(), partner.node))) if spaces and partner.agreed_at else 0,
        our_turn=partner.our_turn,
    )


def _relation(partner: Partner) -> shown.Relation:
    line = _line(partner)
    whose: dict[str, Any] = {"us": "ours", "them": "theirs", "both": "both"}
    house = shown.Org(ground().settings.organisation, ours=True)
    return shown.Relation(
        key=line.key,
        org=line.org,
        state=line.state,
        health=line.health,
        spaces=line.spaces,
        our_turn=line.our_turn,
        node=partner.node,
        groups=[shown.Group(each.number, each.digits, whose[each.read_by]) for each in partner.groups],
        words=words(partner.uncovered, language()) if partner.uncovered else (),
        ours_confirmed=_confirmation(partner.ours),
        theirs_confirmed=_confirmation(partner.theirs),
        charter=_charter(partner.agreement, agreed_at=partner.agreed_at) if partner.agreement else None,
        offer=_charter(
            partner.offer.terms,
            proposed_by=house if partner.offer.by_us else line.org,
            proposed_at=partner.offer.at,
        )
        if partner.offer
        else None,
        expires=partner.expires,
        reason=_ended(partner.note) if partner.state in {"rejected", "terminated"} else partner.note,
    )


def _ended(note: str) -> str:
    match note:
        case "fingerprint-differs":
            return str(_("The fingerprints differed."))
        case "superseded":
            return str(_("A newer invitation took its place."))
        case _:
            answer = note.removeprefix("refused: ")
            return str(_("Their node did not take the invitation. %(answer)s", answer=answer))


def _confirmation(confirmed: Confirmed | None) -> shown.Confirmation | None:
    return shown.Confirmation(confirmed.by, confirmed.at, confirmed.channel) if confirmed else None


def _charter(agreement: terms.Terms, **members: Any) -> shown.Charter:
    return shown.Charter(
        version=agreement.version,
        purpose=agreement.purpose,
        contract=agreement.contract,
        spaces=agreement.spaces,
        new_spaces=agreement.new_spaces,
        onward=agreement.onward,
        keep_ours=duration(agreement.keep_ours),
        keep_theirs=duration(agreement.keep_theirs),
        max_file=agreement.max_file_bytes,
        starts=agreement.starts,
        ends=agreement.ends,
        notice=duration(agreement.notice),
        digest=agreement.digest,
        **members,
    )


def duration(period: str) -> str:
    """`P2Y` as one says it: `2 years`, `2 ans`. A period of several units stays as it is written."""
    number, unit = period[1:-1], period[-1:]
    if not (period.startswith("P") and number.isdecimal()):
        return period
    count = int(number)
    match unit:
        case "Y":
            return str(ngettext("%(num)d year", "%(num)d years", count))
        case "M":
            return str(ngettext("%(num)d month", "%(num)d months", count))
        case "D":
            return str(ngettext("%(num)d day", "%(num)d days", count))
        case _:
            return period


def _health(partner: Partner) -> shown.Health:
    found = health.of(ground(), partner)
    if found is None:
        return shown.Health()
    return shown.Health(
        queue=found.queued,
        oldest=health.late_since(found, ground().clock.now()),
        last_out=found.last_out,
        last_in=found.last_in,
        skew=found.skew_s,
        delivery=found.state,
        reason=found.reason,
        next_attempt=found.next_attempt,
        disputed=found.disputed,
        held=found.held,
        given_up=found.quarantined,
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
