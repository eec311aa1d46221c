"""Pages of copies, for administrators. Source: PROTOCOL 2.c; node/templates/CONTEXTS.md."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, Response, flash, redirect, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from node.core.http import shown
from node.core.http.context import ground
from node.core.http.guards import Viewer, guarded, viewer
from node.core.http.rendering import page
from node.replicas import present
from node.replicas.services import runs
from node.spaces.services import copies as spaces

FOUND_ELSEWHERE = 303

web = Blueprint("replicas", __name__)


@web.get("/admin/copies")
@guarded("admin")
def copies() -> str:
    """Every shared space, and whether its copies are equal."""
    with ground().database.reading() as session:
        return page("replicas/list.html", copies=present.everything(session, ground()))


@web.get("/admin/copies/<key>")
@guarded("admin")
def copy(key: str) -> str:
    """The copies of one space: what proves them equal, and both sides of what differs."""
    with ground().database.reading() as session:
        return page("replicas/copy.html", copy=present.one(session, ground(), key))


@web.post("/admin/copies/<key>/compare")
@guarded("admin")
def compare(key: str) -> AnyResponse:
    """Compares our copy with its host's, in the background."""
    runs.ask(ground(), key, viewer().actor)
    flash(_("The copies are being compared. It takes some seconds."), "ok")
    return redirect(url_for("replicas.copy", key=key), FOUND_ELSEWHERE)


@web.get("/admin/copies/<key>/evidence.json")
@guarded("admin")
def evidence(key: str) -> Response:
    """What was signed of the copies of a space, to be verified anywhere."""
    with ground().database.reading() as session:
        text = runs.evidence_text(session, ground(), spaces.by_key(session, key))
    answer = Response(text, content_type="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="copies-{key}.json"'
    return answer


def navigation(who: Viewer) -> Iterable[shown.NavItem]:
    """The entry of the left column, for administrators."""
    if "admin" in who.roles:
        yield shown.NavItem("copies", _("Copies"), url_for("replicas.copies"), "copy", dock=False)
