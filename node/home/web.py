"""Home: what waits for the reader first, then the latest discussions (PRODUCT D.1). Rule: it counts only what needs him
or her.
"""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, redirect, request, url_for
from flask_babel import get_timezone, ngettext
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from node.core.http import shown
from node.core.http.context import ground
from node.core.http.guards import Viewer, guarded, viewer
from node.core.http.rendering import page
from node.retention import present as recalls
from node.retention.services import ledger
from node.spaces.present import Looks
from node.spaces.services import reading as spaces
from node.spaces.services import requests
from node.threads import present
from node.threads.services import reading

FOUND_ELSEWHERE = 303
FILTERS = ("all", "internal", "partners")

web = Blueprint("home", __name__)


@web.get("/")
@guarded("visitor")
def home() -> str | Response:
    """What waits for the reader, and the latest discussions of all spaces."""
    who, asked = viewer(), request.args
    if who.is_visitor:
        return redirect(url_for("spaces.index"), FOUND_ELSEWHERE)
    shown_only = asked.get("only", "all") if asked.get("only") in FILTERS else "all"
    before = _place(asked.get("before", ""))
    with ground().database.reading() as session:
        where = spaces.of_person(session, who.actor)
        there = spaces.shares(session, [each.id for each in where])
        if shown_only != "all":
            shared = shown_only == "partners"
            where = [each for each in where if (len(there.get(each.id, ())) > 1) is shared]
        looks = Looks(session, ground())
        cursor = reading.now(session)
        visible = {each.id: each.participant_id for each in where}
        found = reading.threads_of_all(session, visible, before, reading.THREADS_A_PAGE + 1) if where else []
        listed, more = found[: reading.THREADS_A_PAGE], len(found) > reading.THREADS_A_PAGE
        older = ""
        if more:
            last = listed[-1]
            older = url_for("home.home", only=shown_only, before=f"{int(last.last.timestamp())}.{last.id}")
        gaps: dict[str, shown.Gap] = {}
        for each in where:
            for gap in looks.gaps(each, there.get(each.id, [])):
                gaps.setdefault(f"{gap.org.domain} {gap.direction}", gap)
        offered = spaces.offered(session) if "admin" in who.roles else []
        joinable = spaces.joinable(session, who.actor)
        lines = present.lines(looks, listed, where, there)
        whose = ledger.whose(who.roles, who.person_id)
        silent = ledger.unanswered(session, ground().clock.now(), author=whose)
        waiting = [
            *(_offered(looks, each) for each in offered),
            *(_joinable(looks, each) for each in joinable),
            *(_asked(looks, each) for each in requests.waiting(session, who.actor)),
            *recalls.waiting(looks, silent),
        ]
        return page(
            "home.html",
            today=ground().clock.now().astimezone(get_timezone()).date(),
            waiting=waiting,
            threads=lines,
            filters=[
                (label, url_for("home.home", only=name), name == shown_only)
                for name, label in (
                    ("all", _("All")),
                    ("internal", _("Internal")),
                    ("partners", _("With partners")),
                )
            ],
            live="" if before or shown_only != "all" else url_for("threads.live", after=str(cursor)),
            next=shown.Next("" if before is None else url_for("home.home", only=shown_only), older),
            gaps=list(gaps.values()),
            offered=len(offered) + len(joinable),
        )


def navigation(who: Viewer) -> Iterable[shown.NavItem]:
    """The entry of the left column; a visitor begins at the spaces."""
    if not who.is_visitor:
        yield shown.NavItem("home", _("Home"), url_for("home.home"), "house", "h")


def _offered(looks: Looks, offer: spaces.Offer) -> shown.Waiting:
    org = looks.org(offer.host.node, offer.host.name)
    return shown.Waiting(
        offer.name,
        url_for("spaces.invitations"),
        _("offers this space to the house; you decide"),
        org,
        _("Look at it"),
    )


def _joinable(looks: Looks, offer: spaces.Offer) -> shown.Waiting:
    org = looks.org(offer.host.node, offer.host.name)
    return shown.Waiting(
        offer.name, url_for("spaces.invitations"), _("opens this space to you"), org, _("Look at it")
    )


def _asked(looks: Looks, asked: requests.Waiting) -> shown.Waiting:
    return shown.Waiting(
        asked.space,
        url_for("spaces.members", key=asked.space_key),
        ngettext("%(num)d person asks to come in", "%(num)d people ask to come in", asked.count),
        looks.org(asked.node),
        _("Answer"),
    )


def _place(text: str) -> tuple[int, int] | None:
    at, dot, number = text.partition(".")
    numbers = all(each.isascii() and each.isdecimal() and len(each) < 19 for each in (at, number))
    return (int(at), int(number)) if dot and numbers else None
