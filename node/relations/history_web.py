"""The page of one partner about what both have signed: the logs, where histories part, evidence to take along.

Rule: for administrators alone. Source: PROTOCOL 2.b; PRODUCT B20; node/templates/CONTEXTS.md.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from flask import Blueprint, flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from node.core.errors import Invalid
from node.core.http.context import ground
from node.core.http.guards import guarded, viewer
from node.core.http.rendering import page
from node.exchange.dossier import Wanted
from node.relations import present
from node.relations.services import history
from node.relations.services.desk import By
from node.relations.services.relations import relations_of

FOUND_ELSEWHERE = 303  # RFC 9110, section 15.4.4: go there with GET

web = Blueprint("histories", __name__)


@web.get("/partners/<key>/history")
@guarded("admin")
def show(key: str) -> str:
    """What both have signed of their logs, and where their histories part."""
    return _page(key)


@web.post("/partners/<key>/history/compare")
@guarded("admin")
def compare(key: str) -> Response:
    """Has the partner confirm our log now."""
    try:
        agreed = history.compare(ground(), key, _by())
    except history.Unreached as error:
        flash(str(error.safe), "late")
    else:
        match agreed:
            case True:
                flash(_("Their node has signed that its copy is the same."), "ok")
            case False:
                flash(_("Their node has another history. Both are kept."), "stop")
            case None:
                flash(
                    _("Nothing could be compared: nothing was receipted yet, or no answer proves it."), "late"
                )
    return redirect(url_for("histories.show", key=key), FOUND_ELSEWHERE)


@web.get("/partners/<key>/evidence.json")
@guarded("admin")
def evidence(key: str) -> Response | tuple[str, int]:
    """A file of evidence: all, from and to a day, or one activity."""
    try:
        begin, end = (_day(name) for name in ("from", "to"))
        named = tuple(filter(None, request.args.getlist("activity")))
        wanted = Wanted(named, begin, end and end + timedelta(days=1))
        written = history.evidence(ground(), key, wanted, _by())
    except Invalid as error:
        return _page(key, error.members.get("errors")), error.status
    answer = Response(written, content_type="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="evidence-{key}.json"'
    return answer


def _page(key: str, errors: object = None) -> str:
    found = history.of(ground(), key)
    return page(
        "relations/history.html",
        relation=present.relation(relations_of(ground()).partner(key)),
        checkpoints=found.checkpoints,
        disputes=found.disputes,
        values=request.args,
        errors=errors or {},
    )


def _day(name: str) -> datetime | None:
    text = request.args.get(name, "")
    try:
        return datetime.combine(date.fromisoformat(text), time.min, UTC) if text else None
    except ValueError as error:
        said = _("This is no day.")
        raise Invalid(said, errors={name: said}) from error


def _by() -> By:
    return By(viewer().actor, viewer().name)
