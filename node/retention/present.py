"""From the ledger to what pages show. Rule: rights were asked before; here are only looks."""

from __future__ import annotations

from collections.abc import Iterable

from flask import url_for
from flask_babel import format_date
from flask_babel import gettext as _

from node.core.errors import Absent
from node.core.http import shown
from node.retention.services.holds import Hold
from node.retention.services.ledger import Recalled, RunSeen, Said
from node.spaces.present import Looks
from node.spaces.services import reading as spaces
from node.threads.services.reasons import words


def recall(looks: Looks, seen: Recalled) -> shown.Recall:
    """A recall with a line for each organisation."""
    now = looks.ground.clock.now()
    _key, space = _space(looks, seen.space_id)
    author = looks.person(seen.author, seen.author.organisation)
    answers = [_answer(looks, each, overdue=now > seen.deadline) for each in seen.answers]
    return shown.Recall(
        seen.key,
        author,
        seen.published,
        space,
        seen.mode,
        words(seen.reason),
        seen.at,
        seen.deadline,
        seen.former_digest,
        sorted(answers, key=lambda each: (not each.org.ours, each.org.name)),
        by_node=seen.by_node,
    )


def hold(looks: Looks, seen: Hold, people: dict[str, str]) -> shown.Hold:
    """A hold in the list."""
    key, space = _space(looks, seen.space_id)
    on: shown.HoldOn = (
        "post" if seen.object is not None else "thread" if seen.thread_id is not None else "space"
    )
    return shown.Hold(
        seen.key,
        on,
        space,
        url_for("spaces.space", key=key) if key else "",
        seen.written,
        seen.basis,
        seen.reference,
        seen.review_by,
        people.get(seen.by) or _("the command line"),
        seen.at,
        seen.released_at,
        seen.kept,
        overdue=seen.released_at is None and seen.review_by <= looks.ground.clock.now().date(),
    )


def run(looks: Looks, seen: RunSeen) -> shown.RetentionRun:
    """A run of retention in the list."""
    return shown.RetentionRun(seen.key, looks.org(seen.node), seen.ours, seen.at, seen.count)


def waiting(looks: Looks, found: Iterable[Recalled]) -> Iterable[shown.Waiting]:
    """A line of the first page for each recall that somebody has not answered for a week."""
    for seen in found:
        silent = next(each for each in seen.answers if each.outcome == "waiting")
        yield shown.Waiting(
            _("Called back %(day)s", day=format_date(seen.at)),
            url_for("retention.recall", key=seen.key),
            _("has not said that it erased the message"),
            looks.org(silent.node, silent.name),
            _("Look at it"),
            now=True,
        )


def _answer(looks: Looks, said: Said, *, overdue: bool) -> shown.RecallAnswer:
    return shown.RecallAnswer(
        looks.org(said.node, said.name),
        said.outcome,
        said.at,
        said.basis.rpartition("#")[2],
        said.reference,
        said.review_by,
        said.residual_until,
        overdue=overdue and said.outcome == "waiting",
        reminded=said.reminded,
    )


def _space(looks: Looks, space_id: int) -> tuple[str, str]:
    try:
        return spaces.name_of(looks.session, space_id)
    except Absent:
        return "", ""
