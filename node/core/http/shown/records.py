"""What administrators keep an eye on: the audit, what was called back, held or erased, copies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal

from node.core.http.shown.people import Org, Person
from node.core.values import value


@value
class AuditLine:
    """One line of the audit log."""

    number: int  # position in the chain
    at: datetime
    who: str  # a person, a partner's node, or the node itself
    act: str  # code, e.g. `relation.verified`
    sentence: str  # the same in words
    result: Literal["done", "refused"]
    org: Org | None = None
    object: str = ""
    reason: str = ""


@value
class Chain:
    """What the last check of the audit's chain found."""

    whole: bool
    lines: int
    checked: datetime
    broken_at: int = 0


@value
class RecallAnswer:
    """What one organisation says of what was called back. `basis`: the code of the ground on which it keeps it."""

    org: Org
    outcome: Literal["waiting", "erased", "retained", "refused", "left"]
    at: datetime | None = None
    basis: str = ""
    reference: str = ""
    review_by: datetime | None = None
    residual_until: datetime | None = None  # until when its backups hold it
    overdue: bool = False
    reminded: int = 0


@value
class Recall:
    """A message that was called back: never its words."""

    key: str
    author: Person
    published: datetime
    space: str
    mode: str  # erase, hide, replace
    reason: str  # in words
    at: datetime
    deadline: datetime
    digest: str
    answers: Sequence[RecallAnswer] = ()
    by_node: bool = False  # said for the author, not by him or her


@value
class RetentionRun:
    """What was erased because its time was over: by us (`ours`), or by a partner who told us."""

    key: str
    org: Org  # with whom it was shared
    ours: bool
    at: datetime
    count: int


HoldOn = Literal["space", "thread", "post"]


@value
class Hold:
    """A legal hold. `written`: when the thread began or the message was written."""

    key: str
    on: HoldOn
    space: str
    url: str
    written: datetime | None
    basis: str
    reference: str
    review_by: date
    by: str
    at: datetime
    released_at: datetime | None = None
    kept: int = 0
    overdue: bool = False  # its day of review has come


@value
class CopyProof:
    """That another organisation signed the same copy of a space as we did, `proved` then; `differs`: it last signed
    another one.
    """

    org: Org
    proved: datetime | None
    differs: datetime | None = None


@value
class CopySide:
    """One entry of a copy as one side has it: `state` (live, tombstone, member, left, withheld), `rev`, digest."""

    state: str
    rev: int
    digest: str


@value
class CopyDifference:
    """An entry on which both sides do not agree. `kind`: surplus, newer, differs, missing, dropped."""

    id: str
    kind: str
    ours: CopySide | None
    theirs: CopySide | None
    at: datetime


@value
class CopyFork:
    """Two statements of one host that cannot both be true: of place `as_of`, each root with when it was signed."""

    as_of: int
    first: tuple[str, datetime]
    second: tuple[str, datetime]


@value
class Copy:
    """A shared space and how its copies stand. `state` of the last comparison: "" (none yet), running, equal, differs,
    older (the host has less than it announced), failed; `leaves` were compared, `repaired` fetched.
    """

    key: str
    name: str
    host: Org
    hosted: bool
    state: str = ""
    at: datetime | None = None
    leaves: int = 0
    repaired: int = 0
    reason: str = ""
    proofs: Sequence[CopyProof] = ()
    differences: Sequence[CopyDifference] = ()
    forks: Sequence[CopyFork] = ()
