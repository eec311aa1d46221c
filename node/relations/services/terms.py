"""What an administrator chooses, as an agreement, and an agreement as what people read.

Rule: safe defaults: closed, spaces by invitation only, nothing goes on to third companies unless chosen.
How long each side keeps stands with its party; the data class names the longer of the two.
Source: PROTOCOL 2.a.5; PRODUCT B1, D.15 step 4.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

from flask_babel import lazy_gettext as _

from federation import charter
from node.core.errors import Invalid
from node.core.values import value
from schemas.as2 import agreement

KEEP = ("P90D", "P180D", "P1Y", "P2Y", "P3Y", "P5Y", "P10Y")
DEFAULT_KEEP = "P2Y"
MAX_DAYS = 5 * 366
KIB, MIB = 2**10, 2**20
MINUTE_S, HOUR_S = 60, 3600

Document = dict[str, Any]


@value
class Choices:
    """The form of a charter. What is None stays as it is in the version before, or in a first draft."""

    purpose: str = ""
    contract: str = ""
    new_spaces: Literal["by-invite", "none"] = "by-invite"
    onward: Literal["none", "allowed"] = "none"
    keep_ours: str = DEFAULT_KEEP
    keep_theirs: str = DEFAULT_KEEP
    ends: date | None = None
    """None: in a year."""
    spaces: Sequence[Mapping[str, str]] | None = None
    """Entries of `scope.spaces`."""
    classes: Sequence[str] | None = None
    """Data classes, the least first."""
    personal: bool | None = None
    activity_types: Sequence[str] | None = None
    object_types: Sequence[str] | None = None
    media_types: Sequence[str] | None = None
    """Empty: any."""
    max_object_kib: int | None = None
    max_batch_kib: int | None = None
    max_file_mib: int | None = None
    sign_ins: Sequence[str] | None = None
    """Values of `acr`, any of which will do; empty: any sign-in."""
    sign_in_h: int | None = None
    """How many hours ago people may have signed in; 0: any time."""
    own_domains: bool | None = None
    leave_s: int | None = None
    receipt: Literal["received", "processed"] | None = None
    receipt_min: int | None = None
    checkpoint_h: int | None = None
    log_years: int | None = None
    timestamps: bool | None = None
    recall_h: int | None = None
    backup_days: int | None = None
    after_end_days: int | None = None
    notice_days: int | None = None
    text_url: str | None = None
    text_type: str | None = None
    text_digest: str | None = None


@value
class Terms:
    """An agreement for people. Durations as ISO 8601, `max_file_bytes` 0 when it says nothing."""

    version: int
    purpose: str
    contract: str
    spaces: tuple[str, ...]
    new_spaces: bool
    onward: bool
    keep_ours: str
    keep_theirs: str
    max_file_bytes: int
    starts: date
    ends: date
    notice: str
    digest: str
    document: Mapping[str, Any] = field(repr=False)


Effect = Literal["widens", "narrows", "changes"]


@value
class Difference:
    """One thing that another version says otherwise. `name`: a field of Terms, or a member of the document."""

    name: str
    before: Any
    after: Any
    effect: Effect


def draft(
    lineage: str, ours: charter.Party, theirs: charter.Party, choices: Choices, now: datetime
) -> Document:
    """The agreement that `choices` describe. Raises Invalid for what cannot be chosen."""
    document = charter.draft(lineage, ours, theirs, now)
    _choose(document, ours.node, choices, now)
    return document


def following(
    present: Document,
    digest: str,
    ours: charter.Party,
    theirs: charter.Party,
    choices: Choices,
    now: datetime,
    *,
    anew: bool = False,
) -> Document:
    """The version after `present`, whose digest is given: what `choices` do not speak of stays as it is.

    The keys are those of today; lineage and roles go on, and the streams unless they begin `anew`.
    Raises Invalid for what cannot be chosen.
    """
    document = copy.deepcopy(present)
    version = present["version"] + 1
    document["id"] = f"{present['lineage']}/v{version}"
    document["version"], document["previousVersion"] = version, digest
    document["startTime"] = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    today = {side.node: side for side in (ours, theirs)}
    for side in document["parties"]:
        side["keys"] = list(today[side["node"]].keys)
        if anew:
            side["stream"] = today[side["node"]].stream
    _choose(document, ours.node, choices, now)
    return document


def _choose(document: Document, node: str, choices: Choices, now: datetime) -> None:
    """Writes into `document` what the administrator of `node` has chosen."""
    ends = choices.ends or (now + timedelta(days=365)).date()
    if not now.date() < ends <= (now + timedelta(days=MAX_DAYS)).date():
        sentence = _("Choose a day within the next five years.")
        raise Invalid(sentence, errors={"ends": sentence})
    for name, kept in (("keep_ours", choices.keep_ours), ("keep_theirs", choices.keep_theirs)):
        if kept not in KEEP:
            sentence = _("Choose one of the periods.")
            raise Invalid(sentence, errors={name: sentence})
    document["endTime"] = f"{datetime.combine(ends, time.max, UTC):%Y-%m-%dT%H:%M:%SZ}"
    document["scope"]["allowNewSpaces"] = choices.new_spaces
    document["scope"]["onwardTransfer"] = choices.onward
    longer = max(choices.keep_ours, choices.keep_theirs, key=KEEP.index)
    classes = document["scope"]["dataClasses"]
    for each in [each for each in classes if each["retention"] == classes[0]["retention"]]:
        each["retention"] = longer  # a class with a time of its own keeps it
    for side in document["parties"]:
        side["retention"] = choices.keep_ours if side["node"] == node else choices.keep_theirs
    for name in ("purpose", "contract"):
        if getattr(choices, name):
            document["terms"][name] = getattr(choices, name)
        else:
            document["terms"].pop(name, None)
    _choose_further(document, choices, longer)
    wrong = agreement.objections(document)
    if wrong:
        raise Invalid(_("The charter can’t say this. Check what you changed."), wrong, errors={"": wrong})


def _choose_further(document: Document, choices: Choices, retention: str) -> None:
    for name, part, member, written, _read in MEMBERS:
        chosen = getattr(choices, name)
        if chosen is None:
            continue
        value = written(chosen)
        if value is None and member not in _NULLABLE:
            document[part].pop(member, None)
        else:
            document[part][member] = value
    scope = document["scope"]
    if choices.spaces is not None:
        kept = {each["id"]: each for each in scope["spaces"]}
        scope["spaces"] = [{**_extra(kept.get(each["id"], {})), **each} for each in choices.spaces]
    if choices.classes is not None:
        former = {each["class"]: each for each in scope["dataClasses"]}
        plain = {"personalData": True, "retention": retention, "afterEnd": "P30D"}
        scope["dataClasses"] = [{"class": each, **plain, **former.get(each, {})} for each in choices.classes]
    for each in scope["dataClasses"]:
        if choices.personal is not None:
            each["personalData"] = choices.personal
        if choices.after_end_days is not None:
            each["afterEnd"] = f"P{choices.after_end_days}D"


def _extra(entry: Mapping[str, str]) -> dict[str, str]:
    """What the form has no field for."""
    return {name: value for name, value in entry.items() if name == "replica"}


def written(document: Mapping[str, Any]) -> dict[str, Any]:
    """What an agreement says beyond its first sentences, as the fields of a form; "" for what no field can say."""
    said: dict[str, Any] = {}
    for name, part, member, _write, read in MEMBERS:
        value = document[part].get(member)
        said[name] = "" if value is None else read(value)
    scope = document["scope"]
    lines = [
        " ".join((each["id"], each.get("direction", "both"), each.get("dataClass", ""))).strip()
        for each in scope["spaces"]
    ]
    classes = scope["dataClasses"]
    return {
        **said,
        "spaces": "\n".join(lines),
        "classes": " ".join(each["class"] for each in classes),
        "personal": any(each["personalData"] for each in classes),
        "after_end_days": _count(classes[0]["afterEnd"], "P", "D") if classes else "",
    }


def first() -> dict[str, Any]:
    """The fields of a first agreement."""
    nobody = charter.Party("", "", "", (), "", (), "", "")
    return written(charter.draft("", nobody, nobody, datetime.now(UTC)))


def _count(period: str, before: str, unit: str) -> str:
    """The number of a period that has this one unit; "" for any other."""
    number = period.removeprefix(before).removesuffix(unit)
    return number if period == f"{before}{number}{unit}" and number.isdecimal() else ""


def _in(unit: int) -> Callable[[int], str]:
    return lambda value: str(max(1, value // unit))


def _held(names: Sequence[str]) -> list[str] | None:
    return list(names) or None


#: What a charter says beyond its first sentences: field of `Choices`, where it stands, how it is written there, and
#: how a form reads it. What is written as None is a member that is not there.
MEMBERS: tuple[tuple[str, str, str, Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    ("activity_types", "scope", "activityTypes", list, " ".join),
    ("object_types", "scope", "objectTypes", list, " ".join),
    ("media_types", "scope", "mediaTypes", _held, " ".join),
    ("max_object_kib", "scope", "maxObjectBytes", lambda kib: kib * KIB, _in(KIB)),
    ("max_batch_kib", "scope", "maxBatchBytes", lambda kib: kib * KIB, _in(KIB)),
    ("max_file_mib", "scope", "maxFileBytes", lambda mib: mib * MIB, _in(MIB)),
    ("sign_ins", "identity", "minAcr", list, " ".join),
    ("sign_in_h", "identity", "maxAuthAge", lambda hours: hours * HOUR_S or None, _in(HOUR_S)),
    (
        "own_domains",
        "identity",
        "emailDomains",
        lambda own: charter.DECLARED_ONLY if own else "none",
        lambda said: said == charter.DECLARED_ONLY,
    ),
    ("leave_s", "identity", "offboardingSeconds", int, str),
    ("receipt", "evidence", "receipt", str, str),
    ("receipt_min", "evidence", "receiptSeconds", lambda minutes: minutes * MINUTE_S, _in(MINUTE_S)),
    (
        "checkpoint_h",
        "evidence",
        "checkpoint",
        lambda hours: f"PT{hours}H",
        lambda said: _count(said, "PT", "H"),
    ),
    (
        "log_years",
        "evidence",
        "logRetention",
        lambda years: f"P{years}Y",
        lambda said: _count(said, "P", "Y"),
    ),
    (
        "timestamps",
        "evidence",
        "timestamping",
        lambda wanted: "optional-rfc3161" if wanted else "none",
        lambda said: said != "none",
    ),
    ("recall_h", "recall", "applySeconds", lambda hours: hours * HOUR_S, _in(HOUR_S)),
    ("backup_days", "recall", "backups", lambda days: f"P{days}D", lambda said: _count(said, "P", "D")),
    ("notice_days", "terms", "notice", lambda days: f"P{days}D", lambda said: _count(said, "P", "D")),
    ("text_url", "terms", "url", lambda text: text or None, str),
    ("text_type", "terms", "mediaType", lambda text: text or None, str),
    ("text_digest", "terms", "digestMultibase", lambda text: text or None, str),
)
_READ = {f"{part}.{member}": read for _name, part, member, _write, read in MEMBERS}
_NULLABLE = frozenset({"maxAuthAge"})


def compare(before: Terms, after: Terms) -> list[Difference]:
    """What differs between two versions, in the order in which people read a charter.

    Of what no sentence names, the member itself is shown (`scope.objectTypes`): nothing changes unseen.
    """
    found = [
        Difference(name, getattr(before, name), getattr(after, name), _effect(name, before, after))
        for name in SENTENCES
        if getattr(before, name) != getattr(after, name)
    ]
    old, new = _members(before.document), _members(after.document)
    others = [
        Difference(name, _told(name, old), _told(name, new), _effect_of(old.get(name), new.get(name)))
        for name in (*old, *(each for each in new if each not in old))
        if old.get(name) != new.get(name)
    ]
    return [*found, *others]


def _told(path: str, members: Mapping[str, Any]) -> Any:
    """A member as the form of a charter says it, in its unit; others as they are."""
    value, read = members.get(path), _READ.get(path)
    return value if value is None or isinstance(value, list) or read is None else read(value)


def _effect(name: str, before: Terms, after: Terms) -> Effect:
    old, new = getattr(before, name), getattr(after, name)
    if name in {"keep_ours", "keep_theirs"} and old in KEEP and new in KEEP:
        return "widens" if KEEP.index(new) > KEEP.index(old) else "narrows"
    if name == "spaces":
        return _effect_of(list(old), list(new))
    if name in {"new_spaces", "onward", "max_file_bytes", "ends"}:
        return "widens" if new > old else "narrows"
    return "changes"


def _effect_of(old: object, new: object) -> Effect:
    """Of members that no sentence names: more in a list lets more through."""
    if (
        isinstance(old, list)
        and isinstance(new, list)
        and all(isinstance(each, str) for each in (*old, *new))
    ):
        if set(old) < set(new):
            return "widens"
        if set(new) < set(old):
            return "narrows"
    return "changes"


def _members(document: Mapping[str, Any]) -> dict[str, Any]:
    """The members that bind and that no sentence of a charter names, by their path."""
    return {
        f"{part}.{name}": value
        for part in ("scope", "identity", "evidence", "recall", "terms")
        for name, value in document[part].items()
        if f"{part}.{name}" not in _TOLD
    }


#: What a charter says in sentences, in their order: fields of `Terms`.
SENTENCES = (
    "purpose",
    "contract",
    "spaces",
    "new_spaces",
    "onward",
    "keep_ours",
    "keep_theirs",
    "max_file_bytes",
    "ends",
    "notice",
)
_TOLD = frozenset(
    {
        "scope.spaces",
        "scope.allowNewSpaces",
        "scope.onwardTransfer",
        "scope.maxFileBytes",
        "terms.purpose",
        "terms.contract",
        "terms.notice",
    }
)


def read(document: Mapping[str, Any], node: str, digest: str) -> Terms:
    """What an agreement (checked when it came) says to the people of `node`."""
    scope, terms = document["scope"], document["terms"]
    classes = scope["dataClasses"]
    otherwise = classes[0]["retention"] if classes else ""
    kept = {side["node"]: _text(side.get("retention")) or otherwise for side in document["parties"]}
    other = next(each for each in kept if each != node)
    return Terms(
        version=document["version"],
        purpose=_text(terms.get("purpose")),
        contract=_text(terms.get("contract")),
        spaces=tuple(each["id"] for each in scope["spaces"]),
        new_spaces=scope["allowNewSpaces"] == "by-invite",
        onward=scope["onwardTransfer"] == "allowed",
        keep_ours=kept[node],
        keep_theirs=kept[other],
        max_file_bytes=scope.get("maxFileBytes", 0),
        starts=datetime.fromisoformat(document["startTime"]).date(),
        ends=datetime.fromisoformat(document["endTime"]).date(),
        notice=terms["notice"],
        digest=digest,
        document=document,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
