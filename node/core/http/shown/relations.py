"""Relations with partners: their steps, their agreements, how they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import date, datetime
from typing import Literal

from node.core.http.shown.people import Org
from node.core.values import value

RelationState = Literal[
    "invited", "keys-exchanged", "verified", "offered", "in-force", "suspended", "terminating", "terminated",
    "rejected", "expired", "superseded",
]  # fmt: skip


@value
class Group:
    """One of the six groups of five digits of a fingerprint (PROTOCOL 2.a, step 3; DECISIONS 27)."""

    number: int  # 1–6
    digits: str  # empty while covered
    whose: Literal["ours", "theirs", "both"]  # who reads it aloud


@value
class Confirmation:
    """Who confirmed the fingerprint, and over which channel."""

    by: str
    at: datetime
    channel: str = ""


@value
class Charter:
    """A relation's agreement, for sentences."""

    version: int
    purpose: str = ""
    contract: str = ""
    spaces: Sequence[
        str
    ] = ()  # names; empty with `new_spaces` means: those that one side offers and the other accepts
    new_spaces: bool = True
    onward: bool = False
    keep_ours: str = ""  # `3 years`, already in the reader's language
    keep_theirs: str = ""
    max_file: int = 0  # bytes
    starts: date | None = None
    ends: date | None = None
    notice: str = ""
    digest: str = ""
    proposed_by: Org | None = None
    proposed_at: datetime | None = None
    agreed_at: datetime | None = None
    until: datetime | None = None  # a later version took its place then
    approvers: Sequence[str] = ()  # roles of who decided, as the accepting side says
    further: Sequence[tuple[str, str]] = ()  # (label, value) of all that the sentences do not say


@value
class Difference:
    """One thing that a proposed version says otherwise, in words."""

    label: str
    before: str
    after: str
    effect: Literal["widens", "narrows", "changes"]


@value
class Stop:
    """A suspension; `why` is a quotation in `language` (empty: nobody said which)."""

    by: Org
    at: datetime
    why: str = ""
    language: str = ""


@value
class Ending:
    """Notice that was given, and what then happens to what has been exchanged, in words."""

    by: Org
    noticed: datetime
    at: datetime
    data: str
    why: str = ""
    language: str = ""


@value
class Step:
    """One line of a relation's life, with its day."""

    label: str
    at: datetime


@value
class Health:
    """How a relation runs now."""

    queue: int = 0
    oldest: datetime | None = None  # the oldest entry that has not arrived
    last_out: datetime | None = None
    last_in: datetime | None = None
    refused: int = 0  # in 24 h
    skew: float | None = None  # seconds
    missing: int = 0  # gap in what comes from them
    delivery: str = "open"  # `refused`: they take nothing from us; `stopped`: an administrator must act
    reason: str = ""  # of that, a sentence of their node or of ours
    next_attempt: datetime | None = None
    disputed: datetime | None = None  # since when their history and ours differ
    unconfirmed: datetime | None = None  # since when something of ours has no receipt, longer than agreed
    held: int = 0  # lines of theirs that failed here and are tried again
    given_up: int = 0  # those that are not


@value
class RelationLine:
    """A partner in a list."""

    key: str
    org: Org
    state: RelationState
    health: Health = field(default_factory=Health)
    spaces: int = 0
    our_turn: bool = False  # the next step is ours
    to_renew: bool = False  # namely to propose another version, as this one ends soon


@value
class Relation(RelationLine):
    """One relation, whatever its step."""

    node: str = ""  # their node's address
    groups: Sequence[Group] = ()
    words: Sequence[str] = ()  # only once the typed groups match
    ours_confirmed: Confirmation | None = None
    theirs_confirmed: Confirmation | None = None
    charter: Charter | None = None  # in force
    offer: Charter | None = None  # proposed, by whom `proposed_by` says
    expires: datetime | None = None  # of an invitation or offer
    waits: bool = False  # our agreement to `offer` has not arrived there yet
    differences: Sequence[Difference] = ()  # of `offer` against `charter`
    stops: Sequence[Stop] = ()  # who has suspended it, maybe both
    spaces_stopped: Mapping[str, bool] = field(default_factory=dict)
    """Address -> whether it is we who stop it."""
    ending: Ending | None = None
    life: Sequence[Step] = ()
    reason: str = ""
    may_propose: bool = False
    may_suspend: bool = False
    may_resume: bool = False
    may_end: bool = False
