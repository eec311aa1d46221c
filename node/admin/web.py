"""The page of the audit, for administrators. Source: PRODUCT D.19; node/templates/CONTEXTS.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, request, url_for
from flask_babel import gettext as _
from marshmallow import ValidationError

from node.admin.metrics import exposition
from node.admin.sentences import FAMILIES, sentence_of
from node.admin.service import Line, Page, Sought, trail_of
from node.config.checks import is_loopback
from node.core.http import shown
from node.core.http.context import ground
from node.core.http.guards import OPEN_DOORS, Guard, Viewer, admit, guarded, viewer, viewer_or_none
from node.core.http.rendering import page
from node.identity.services.identity import identity_of
from node.relations.services.partners import Partner
from node.relations.services.relations import relations_of
from schemas.forms.admin import AuditFilter

FOR_MONITORS = "metrics:read"
SHORT_CHARS = 12

web = Blueprint("admin", __name__)

OPEN_DOORS["admin.metrics"] = "a monitor on this machine; any other needs a token"


@web.get("/admin/audit")
@guarded("admin")
def audit() -> str:
    """The audit: who did what, every refusal with its reason, and whether the chain holds."""
    values = _sought()
    trail = trail_of(ground())
    trail.read_by(viewer().actor)
    partners = {each.node: each for each in relations_of(ground()).everybody() if each.node}
    wanted = Sought(FAMILIES[values["act"]][1] if values["act"] else (), values["partner"], values["result"])
    found = trail.page(wanted, before=values["before"], after=values["after"])
    checked = trail.checked()
    kept = {name: values[name] for name in ("act", "partner", "result") if values[name]}
    return page(
        "admin/audit.html",
        lines=_lines(found.lines, partners),
        chain=shown.Chain(not checked.broken_at, checked.lines, checked.at, checked.broken_at),
        acts=[(name, str(label)) for name, (label, _beginnings) in FAMILIES.items()],
        partners=[(node, partner.name) for node, partner in partners.items()],
        filtered=bool(kept),
        values=values,
        next=_next(found, kept),
    )


@web.get("/metrics")
def metrics() -> Response:
    """Figures for a monitor on this machine, or with a token."""
    if not _is_local():
        admit(Guard("admin", FOR_MONITORS), viewer_or_none())
    body, content_type = exposition(ground())
    return Response(body, content_type=content_type)


def navigation(who: Viewer) -> Iterable[shown.NavItem]:
    """The entry of the left column, for administrators."""
    if "admin" in who.roles:
        yield shown.NavItem("audit", _("Audit"), url_for("admin.audit"), "scroll-text", "a", dock=False)


def _is_local() -> bool:
    """Whether the request was made on this machine to this process, and not handed on by a proxy."""
    forwarded = any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "Via"))
    return (
        not forwarded
        and is_loopback(request.remote_addr or "")
        and is_loopback(urlsplit(f"//{request.host}").hostname or "")
    )


def _sought() -> dict[str, Any]:
    """What the address asks for; what makes no sense there is left out."""
    schema = AuditFilter()
    sent = request.args.to_dict()
    try:
        values = dict(schema.load(sent))
    except ValidationError as wrong:
        values = dict(schema.load({name: it for name, it in sent.items() if name not in wrong.messages_dict}))
    if values["act"] not in FAMILIES:
        values["act"] = ""
    return values


def _next(found: Page, kept: Mapping[str, Any]) -> shown.Next:
    if not found.lines:
        return shown.Next()
    newer = url_for("admin.audit", after=found.lines[0].seq, **kept) if found.newer else ""
    older = url_for("admin.audit", before=found.lines[-1].seq, **kept) if found.older else ""
    return shown.Next(newer, older)


def _lines(found: Iterable[Line], partners: Mapping[str, Partner]) -> list[shown.AuditLine]:
    found = list(found)
    named = {iri for line in found for iri in (line.actor, line.subject)}
    with ground().database.reading() as db:
        people = {iri: each.name for iri, each in identity_of(ground()).people.of_actors(db, named).items()}
    return [_shown(line, people, partners) for line in found]


def _shown(line: Line, people: Mapping[str, str], partners: Mapping[str, Partner]) -> shown.AuditLine:
    partner = partners.get(line.peer)
    theirs = partner is not None and not line.actor
    reason = " – ".join(str(each) for each in (line.rule, line.detail.get("rule")) if each)
    if line.action == "refused.unauthenticated":
        reason = ", ".join(f"{rule}: {count}" for rule, count in sorted(line.detail.items()))
    whom = people.get(line.subject) or (partner.name if partner is not None and not theirs else "")
    sentence = sentence_of(line.action, line.detail)
    return shown.AuditLine(
        number=line.seq,
        at=line.at,
        who=_who(line, people),
        act=line.action,
        sentence=f"{sentence} · {whom}" if whom else sentence,
        result="refused" if line.refused else "done",
        org=_org(partner) if partner is not None and theirs else None,
        object="" if line.subject in people else line.subject.rpartition("/")[2][:SHORT_CHARS],
        reason=reason,
    )


def _who(line: Line, people: Mapping[str, str]) -> str:
    if line.actor:
        return people.get(line.actor) or line.actor
    return line.peer.partition("://")[2].partition("/")[0] or _("This node")


def _org(partner: Partner) -> shown.Org:
    return shown.Org(partner.name, partner.hue, domain=partner.host, key=partner.key)
