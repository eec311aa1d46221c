"""How an agreement pauses and ends: suspension, resumption, termination.

Rule: who suspended resumes, nobody else; each side may suspend by itself, and the agreement holds again when neither
does. An end has its notice, or says why not. The same checks hold what we say and what comes.
Source: PROTOCOL 2.a.7; PRODUCT B10.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from federation import charter, periods, recall
from federation.activity import Activity, Document
from federation.authorship import write
from federation.errors import Forbidden, Malformed, NoAgreement, OutOfScope
from federation.ports import Relation, State, Work
from federation.settings import Settings
from schemas.as2.agreement import DISPOSITIONS

MAX_REASON_CHARS = 500
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}")
ACCOUNTS_FOR = timedelta(days=60)
"""How long after the last of the data was to go an erasure receipt for it is still taken: a month in which an expired
agreement could be renewed, and a month on the way.
"""
LATE_BY = timedelta(hours=72)
"""How long a message may have been on its way: an older `published` gives no notice."""


def suspension(relation: Relation, reason: str, language: str, work: Work, settings: Settings) -> Activity:
    """We suspend: nothing but control passes from now. `reason` is for people, in `language` (BCP 47).

    Raises OutOfScope when no agreement is in force, or we have suspended it already.
    """
    said = _standing(relation, "suspended", _summary(reason, language), work, settings)
    check_standing(said, relation, ours=True)
    work.agreements.suspended(relation, said)
    return said


def resumption(relation: Relation, work: Work, settings: Settings) -> Activity:
    """We take our suspension back. Raises OutOfScope when there is none of ours."""
    said = _standing(relation, "in-force", {}, work, settings)
    check_standing(said, relation, ours=True)
    work.agreements.resumed(relation, said)
    return said


def take_standing(activity: Activity, relation: Relation, work: Work) -> None:
    """The partner suspends, or resumes what it suspended.

    Raises OtherAgreement, OutOfScope, Malformed: it may not.
    """
    check_standing(activity, relation, ours=False)
    if (activity.object or {})["state"] == "suspended":
        work.agreements.suspended(relation, activity)
    else:
        work.agreements.resumed(relation, activity)


def check_standing(activity: Activity, relation: Relation, *, ours: bool) -> None:
    """That this Update suspends or resumes the agreement in force, for the side that says it.

    Raises OtherAgreement, OutOfScope, Malformed.
    """
    stated = activity.object or {}
    reason_of(stated)
    charter.check_digest(stated.get("objectDigest"), relation)
    if relation.state not in {State.IN_FORCE, State.SUSPENDED}:
        raise OutOfScope("No agreement is in force.")
    suspended = relation.suspended_here if ours else relation.suspended_there
    match stated.get("state"):
        case "suspended":
            if stated.get("resumeBy") != activity.actor:
                raise OutOfScope("Who suspends resumes: `resumeBy` is the actor.")
            if suspended:
                raise OutOfScope("This side has suspended the agreement already.")
        case "in-force":
            if not suspended:
                raise OutOfScope("Only who suspended the agreement resumes it.")
        case _:
            raise Malformed("The state of an agreement is `suspended` or `in-force`.")


def termination(
    relation: Relation,
    at: datetime,
    disposition: str,
    reason: str,
    language: str,
    work: Work,
    settings: Settings,
) -> Activity:
    """We give notice: the agreement ends `at` this time. Sooner than the notice agreed on only with a `reason`.

    Raises OutOfScope or Malformed when it may not be said.
    """
    offered: Document = {"id": relation.offer, "type": "Offer"}
    undone = offered
    if not relation.offered_by_us:
        undone = {"id": relation.accept, "type": "Accept", "actor": settings.node, "object": offered}
    document: Document = {
        "type": "Undo",
        "to": [relation.node],
        "object": undone,
        "objectDigest": relation.agreement_digest,
        "startTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "disposition": disposition,
        **_summary(reason, language),
    }
    said = write(document, settings.node, work, settings)
    _check_end(said, relation, work, ours=True)
    work.agreements.ends(relation, said)
    return said


def is_termination(activity: Activity) -> bool:
    """Whether an Undo ends an agreement; else it takes back an Offer that is open."""
    return "disposition" in activity.document


def take_termination(activity: Activity, relation: Relation, work: Work) -> None:
    """The partner gives notice.

    Raises OtherAgreement, OutOfScope, Malformed, Forbidden: it may not, or not so soon.
    """
    _check_end(activity, relation, work, ours=False)
    work.agreements.ends(relation, activity)


def is_account(activity: Activity) -> bool:
    """Whether it says what became of data after the end: an erasure receipt that names no space (PROTOCOL 2.f)."""
    return (
        activity.type == "Create" and activity.audience is None and recall.is_erasure(activity.object or {})
    )


def check_account(activity: Activity, relation: Relation, now: datetime) -> None:
    """That an erasure receipt is for the agreement that has ended, while what it left is accounted for.

    Raises NoAgreement.
    """
    agreement = relation.agreement or {}
    if (activity.object or {}).get("object") != agreement.get("id") or now > accounts_until(relation):
        raise NoAgreement("The agreement has ended.")


def accounts_until(relation: Relation) -> datetime:
    """Until when each side of an ended agreement takes erasure receipts of the other."""
    agreement = relation.agreement or {}
    end = datetime.fromisoformat(relation.ends or agreement["endTime"])
    classes = agreement["scope"]["dataClasses"]
    return max([end, *(periods.after(end, each["afterEnd"]) for each in classes)]) + ACCOUNTS_FOR


def earliest_end(relation: Relation, published: datetime) -> datetime:
    """When the agreement ends at the soonest, by notice given at this time."""
    notice = relation.agreement["terms"]["notice"] if relation.agreement else "P0D"
    return periods.after(published, notice)


def reason_of(said: Document) -> tuple[str, str]:
    """The words of a side and their language (BCP 47, "" when it names none).

    Raises Malformed when they are none, or too long.
    """
    by_language = said.get("summaryMap")
    text, language = said.get("summary", ""), ""
    if isinstance(by_language, dict) and by_language:
        language, text = next(iter(by_language.items()))
    if not isinstance(text, str) or len(text) > MAX_REASON_CHARS:
        raise Malformed(f"A reason has at most {MAX_REASON_CHARS} characters.")
    return text, language if _LANGUAGE.fullmatch(language) else ""


def _standing(relation: Relation, state: str, summary: Document, work: Work, settings: Settings) -> Activity:
    stated: Document = {
        "id": (relation.agreement or {}).get("id"),
        "type": ["Relationship", "PeeringAgreement"],
        "state": state,
        "objectDigest": relation.agreement_digest,
        **summary,
    }
    if state == "suspended":
        stated["resumeBy"] = settings.node
    document: Document = {"type": "Update", "to": [relation.node], "object": stated}
    return write(document, settings.node, work, settings)


def _check_end(activity: Activity, relation: Relation, work: Work, *, ours: bool) -> None:
    said, named = activity.document, activity.document.get("objectDigest")
    if relation.state not in {State.IN_FORCE, State.SUSPENDED}:
        raise OutOfScope("No agreement is in force.")
    undone = relation.offer if relation.offered_by_us is ours else relation.accept
    if named in {None, relation.agreement_digest} and activity.object_id != undone:
        raise OutOfScope("Each side undoes its own Offer or Accept.")
    charter.check_digest(named, relation)
    if said.get("disposition") not in DISPOSITIONS:
        raise Malformed(f"`disposition` is one of {', '.join(DISPOSITIONS)}.")
    ends, published = _moment(said.get("startTime")), _moment(activity.published)
    reason, _ = reason_of(said)
    if not reason and ends < earliest_end(relation, max(published, work.now - LATE_BY)):
        raise Forbidden("The agreement ends with its notice, unless `summary` says why sooner.")
    if relation.ends and str(said["startTime"]) >= relation.ends:
        raise OutOfScope("It ends then, or sooner, already.")


def _summary(reason: str, language: str) -> Document:
    if not reason:
        return {}
    return {"summary": reason, "summaryMap": {language: reason}} if language else {"summary": reason}


def _moment(text: object) -> datetime:
    try:
        return datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise Malformed("`startTime` is a UTC time, RFC 3339.") from error
