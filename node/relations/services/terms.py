"""What an administrator chooses, as an agreement, and an agreement as what people read.

Rule: safe defaults: closed, spaces by invitation only, nothing goes on to third companies unless chosen.
How long each side keeps stands with its party; the data class names the longer of the two.
Source: PROTOCOL 2.a.5; PRODUCT B1, D.15 step 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

from flask_babel import lazy_gettext as _

from federation import charter
from node.core.errors import Invalid

KEEP = ("P90D", "P180D", "P1Y", "P2Y", "P3Y", "P5Y", "P10Y")
DEFAULT_KEEP = "P2Y"
MAX_DAYS = 5 * 366

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Choices:
    """The form of a charter."""

    purpose: str = ""
    contract: str = ""
    new_spaces: Literal["by-invite", "none"] = "by-invite"
    onward: Literal["none", "allowed"] = "none"
    keep_ours: str = DEFAULT_KEEP
    keep_theirs: str = DEFAULT_KEEP
    ends: date | None = None
    """None: in a year."""


@dataclass(frozen=True, slots=True)
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


def draft(
    lineage: str, ours: charter.Party, theirs: charter.Party, choices: Choices, now: datetime
) -> Document:
    """The agreement that `choices` describe. Raises Invalid for what cannot be chosen."""
    ends = choices.ends or (now + timedelta(days=365)).date()
    if not now.date() < ends <= (now + timedelta(days=MAX_DAYS)).date():
        sentence = _("Choose a day within the next five years.")
        raise Invalid(sentence, errors={"ends": sentence})
    for name, kept in (("keep_ours", choices.keep_ours), ("keep_theirs", choices.keep_theirs)):
        if kept not in KEEP:
            sentence = _("Choose one of the periods.")
            raise Invalid(sentence, errors={name: sentence})
    document = charter.draft(lineage, ours, theirs, now)
    document["endTime"] = f"{datetime.combine(ends, time.max, UTC):%Y-%m-%dT%H:%M:%SZ}"
    document["scope"]["allowNewSpaces"] = choices.new_spaces
    document["scope"]["onwardTransfer"] = choices.onward
    longer = max(choices.keep_ours, choices.keep_theirs, key=KEEP.index)
    document["scope"]["dataClasses"][0]["retention"] = longer
    for side, kept in zip(document["parties"], (choices.keep_ours, choices.keep_theirs), strict=True):
        side["retention"] = kept
    if choices.purpose:
        document["terms"]["purpose"] = choices.purpose
    if choices.contract:
        document["terms"]["contract"] = choices.contract
    return document


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
