"""What pages show: plain values that a view fills and a template reads.

Rule: nothing here asks a table, a session or the clock, and nothing decides a right: a view says what the reader may do
(`may_…`), a template only shows it. A template gets text for people in their own words (a title, a name), never a wire
term, and never HTML except `html`, which has passed the sanitiser. Moments are aware datetimes in UTC; templates give
them the reader's zone. Source: PRODUCT section 6 (D.0–D.24); which template takes what: node/templates/CONTEXTS.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from markupsafe import Markup

OrgState = Literal["verified", "unverified", "suspended"]
PostState = Literal["accepted", "pending", "refused", "deleted", "hidden"]
DeliveryState = Literal["queued", "delivered", "late", "unconfirmed", "refused"]
FileState = Literal["here", "coming", "missing"]
AccountState = Literal["open", "invited", "closed"]  # invited: has not chosen a password yet
RelationState = Literal[
    "invited", "keys-exchanged", "verified", "offered", "in-force", "suspended", "terminating", "terminated",
    "rejected", "expired", "superseded",
]  # fmt: skip

STONES_MAX = 60  # above it one stone stands for several people (look/README, idea 2)


def letters_of(name: str) -> str:
    """Two letters for an organisation: `Nord Acier` -> `NA`, `Aubier` -> `Au`."""
    words = [word for word in name.replace("&", " ").split() if word[0].isalnum()]
    if len(words) > 1:
        return (words[0][0] + words[1][0]).upper()
    return name[:1].upper() + name[1:2].lower()


def initials_of(name: str) -> str:
    """Two letters for a person: `Marie Lenoir` -> `ML`, `Cher` -> `CH`."""
    words = [word for word in name.split() if word[0].isalnum()]
    if len(words) > 1:
        return (words[0][0] + words[-1][0]).upper()
    return name[:2].upper()


@dataclass(frozen=True, slots=True)
class Org:
    """An organisation as it is marked everywhere: ours without a hue, a partner with its own for life."""

    name: str
    hue: int | None = None  # 1–8, given once per relation; None for ours and for one not verified
    ours: bool = False
    state: OrgState = "verified"
    domain: str = ""
    key: str = ""  # opaque, for addresses of its partner page

    @property
    def letters(self) -> str:
        """Its two letters."""
        return letters_of(self.name)


@dataclass(frozen=True, slots=True)
class Person:
    """A person with the organisation that is always written after an external name."""

    name: str
    org: Org
    role: str = ""  # in this relation, in their own words
    key: str = ""
    handle: str = ""  # what a mention is typed as, e.g. `marie@nordacier.example`
    by_mail: bool = False

    @property
    def initials(self) -> str:
        """Their two letters."""
        return initials_of(self.name)

    @property
    def external(self) -> bool:
        """Whether they come from outside."""
        return not self.org.ours


@dataclass(frozen=True, slots=True)
class Share:
    """How many readers one organisation has in an audience; ours comes first, then the largest."""

    org: Org
    count: int
    by_mail: int = 0


@dataclass(frozen=True, slots=True)
class Reader:
    """One person in an audience, with what a writer should know of them."""

    person: Person
    you: bool = False
    added: datetime | None = None  # only if within the last 7 days


@dataclass(frozen=True, slots=True)
class Audience:
    """Who will read what is about to be written: the list that delivery itself uses (PRODUCT B4)."""

    token: str  # DECISIONS 1; goes back in the form
    shares: Sequence[Share]
    readers: Sequence[Reader] = ()  # all of them, or the first of each organisation
    terms: Sequence[str] = ()  # sentences on retention
    came: Sequence[Person] = ()  # since the token of the form
    went: Sequence[Person] = ()
    before: int | None = None  # how many there were; None when nothing changed

    @property
    def total(self) -> int:
        """All readers."""
        return sum(share.count for share in self.shares)

    @property
    def by_mail(self) -> int:
        """Those who read by mail."""
        return sum(share.by_mail for share in self.shares)

    @property
    def external(self) -> int:
        """Readers who are not ours."""
        return sum(share.count for share in self.shares if not share.org.ours)

    @property
    def per_stone(self) -> int:
        """How many people one stone stands for."""
        return -(-self.total // STONES_MAX) or 1

    def of(self, org: Org) -> list[Reader]:
        """The readers of one organisation."""
        return [reader for reader in self.readers if reader.person.org == org]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a post stands at one organisation; `via` is the host when we have no relation with `org`."""

    org: Org
    state: DeliveryState
    at: datetime | None = None  # received at, late or queued since
    via: Org | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PostReceipt:
    """One entry of our log that a partner has receipted; `signed` is when both had signed the log up to it."""

    entry: int
    at: datetime
    receipt: str
    outcome: str
    signed: datetime | None = None


@dataclass(frozen=True, slots=True)
class PostProof:
    """What an organisation has signed of one's own post; `mark` is None for one that is no longer in the space.

    `relation` names the file to take along, "" when there is none.
    """

    org: Org
    mark: Delivery | None
    receipts: Sequence[PostReceipt] = ()
    relation: str = ""


@dataclass(frozen=True, slots=True)
class FoundPost:
    """A post without its words, for who may not read them; `url` is "" for who is not in its space."""

    author: Person
    space: str
    at: datetime
    url: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a post."""

    name: str
    media_type: str
    size: int  # bytes
    sha256: str  # hexadecimal
    origin: Org
    url: str = ""  # empty unless `here`
    state: FileState = "here"


@dataclass(frozen=True, slots=True)
class Quote:
    """The post that a reply answers."""

    key: str
    author: Person
    text: str


@dataclass(frozen=True, slots=True)
class Post:
    """A post or a reply. A tombstone (`deleted`, `hidden`) has no html, files or quote."""

    key: str
    author: Person
    at: datetime
    html: Markup | str = ""
    state: PostState = "accepted"
    lang: str = ""  # BCP 47, when it is not the reader's
    reason: str = ""  # why refused or hidden, for those who may know
    edited: datetime | None = None
    quote: Quote | None = None
    attachments: Sequence[Attachment] = ()
    deliveries: Sequence[Delivery] = ()  # the author's view only
    likes: int = 0
    liked: bool = False
    mine: bool = False
    may_reply: bool = False
    may_like: bool = False
    may_edit: bool = False
    may_delete: bool = False
    may_hide: bool = False
    recalled: str = ""  # why it was called back, in words
    again: str = ""  # address: to sign in once more and send it again
    kind: Literal["post"] = "post"


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages that are not yet where they should be: `out` they lack ours, `in` we lack theirs."""

    org: Org
    missing: int
    since: datetime
    direction: Literal["out", "in"] = "out"
    kind: Literal["gap"] = "gap"


@dataclass(frozen=True, slots=True)
class SpaceLine:
    """A space in a list."""

    key: str
    name: str
    shares: Sequence[Share]
    purpose: str = ""
    last: datetime | None = None
    role: Literal["member", "manager", ""] = "member"  # empty: not in it yet
    host: Org | None = None  # None: ours
    waiting: Gap | None = None
    address: str = ""  # between nodes

    @property
    def total(self) -> int:
        """All members."""
        return sum(share.count for share in self.shares)

    @property
    def partners(self) -> list[Share]:
        """The organisations that are not ours."""
        return [share for share in self.shares if not share.org.ours]


@dataclass(frozen=True, slots=True)
class Space(SpaceLine):
    """A space that one is in."""

    managers: Sequence[Person] = ()
    history_from: date | None = None  # what the reader sees begins here; None: all
    retention: Sequence[str] = ()  # one sentence per organisation
    gaps: Sequence[Gap] = ()
    may_write: bool = False
    closed: str = ""  # why nobody may write here now
    requests: int = 0  # who ask to come in, for a manager
    may_manage: bool = False
    may_share: bool = False
    may_leave: bool = False


@dataclass(frozen=True, slots=True)
class ThreadLine:
    """A thread in a list."""

    key: str
    title: str
    author: Person
    at: datetime
    space: SpaceLine
    excerpt: str = ""
    lang: str = ""
    replies: int = 0
    last: datetime | None = None
    state: PostState = "accepted"


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread that one reads: its first post, then what came after."""

    key: str
    title: str
    space: Space
    first: Post
    entries: Sequence[Post | Gap] = ()
    cursor: str = ""  # for `threads.live`
    older: str = ""  # cursor of the page before, empty at the beginning


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a post, newest first; `by` differs from the author only after a moderator."""

    at: datetime
    html: Markup | str
    by: Person
    number: int


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a space."""

    person: Person
    role: Literal["member", "manager"]
    since: datetime | None = None
    you: bool = False
    may_remove: bool = False
    may_promote: bool = False


@dataclass(frozen=True, slots=True)
class MemberGroup:
    """The members of one organisation."""

    org: Org
    members: Sequence[Member]
    node: str = ""  # its node actor, for the form that takes it out
    may_remove: bool = False
    stopped: bool = False  # exchange with it is stopped here: its people read nothing now


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """Somebody from outside who asks to come in; not `may_enter` while the organisation has no place in the space."""

    key: str
    person: Person
    at: datetime
    may_enter: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What one has asked a partner: to come into the space at this address. `answered` is None while it waits."""

    address: str
    host: Org
    state: Literal["open", "accepted", "declined"]
    at: datetime
    answered: datetime | None = None


@dataclass(frozen=True, slots=True)
class Invitation:
    """A space that a partner offers us (admin), or that colleagues may join (member)."""

    key: str
    space: SpaceLine
    sent_by: Org
    at: datetime
    history_from: date | None = None
    retention: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """One of the six groups of five digits of a fingerprint (PROTOCOL 2.a, step 3; DECISIONS 27)."""

    number: int  # 1–6
    digits: str  # empty while covered
    whose: Literal["ours", "theirs", "both"]  # who reads it aloud


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Who confirmed the fingerprint, and over which channel."""

    by: str
    at: datetime
    channel: str = ""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that a proposed version says otherwise, in words."""

    label: str
    before: str
    after: str
    effect: Literal["widens", "narrows", "changes"]


@dataclass(frozen=True, slots=True)
class Stop:
    """A suspension; `why` is a quotation in `language` (empty: nobody said which)."""

    by: Org
    at: datetime
    why: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """Notice that was given, and what then happens to what has been exchanged, in words."""

    by: Org
    noticed: datetime
    at: datetime
    data: str
    why: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a relation's life, with its day."""

    label: str
    at: datetime


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class RelationLine:
    """A partner in a list."""

    key: str
    org: Org
    state: RelationState
    health: Health = field(default_factory=Health)
    spaces: int = 0
    our_turn: bool = False  # the next step is ours
    to_renew: bool = False  # namely to propose another version, as this one ends soon


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Demand:
    """What a charter asks of a sign-in, and what one's own is, in words."""

    label: str
    asked: str
    yours: str
    met: bool


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser."""

    key: str
    device: str
    started: datetime
    seen: datetime
    current: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """An API token; its secret is shown once, never kept."""

    key: str
    label: str
    scopes: Sequence[str]
    made: datetime
    used: datetime | None = None
    ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """A person of ours as administrators see them."""

    key: str
    person: Person
    name: str  # of the account
    role: Literal["member", "admin"]
    state: AccountState
    provider: str = ""  # label of who vouches for them; empty: a password of this node
    added: datetime | None = None
    signed_in: datetime | None = None  # last, if on record
    closed: datetime | None = None
    you: bool = False
    may_link: bool = False  # to a new password


@dataclass(frozen=True, slots=True)
class Provider:
    """A company identity provider on the sign-in page."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Chain:
    """What the last check of the audit's chain found."""

    whole: bool
    lines: int
    checked: datetime
    broken_at: int = 0


@dataclass(frozen=True, slots=True)
class RecallAnswer:
    """What one organisation says of what was called back. `basis`: the code of the ground on which it keeps it."""

    org: Org
    outcome: Literal["waiting", "erased", "retained", "refused"]
    at: datetime | None = None
    basis: str = ""
    reference: str = ""
    review_by: datetime | None = None
    residual_until: datetime | None = None  # until when its backups hold it
    overdue: bool = False
    reminded: int = 0


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class RetentionRun:
    """What was erased because its time was over: by us (`ours`), or by a partner who told us."""

    key: str
    org: Org  # with whom it was shared
    ours: bool
    at: datetime
    count: int


HoldOn = Literal["space", "thread", "post"]


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class CopyProof:
    """That another organisation signed the same copy of a space as we did, `proved` then; `differs`: it last signed
    another one.
    """

    org: Org
    proved: datetime | None
    differs: datetime | None = None


@dataclass(frozen=True, slots=True)
class CopySide:
    """One entry of a copy as one side has it: `state` (live, tombstone, member, left, withheld), `rev`, digest."""

    state: str
    rev: int
    digest: str


@dataclass(frozen=True, slots=True)
class CopyDifference:
    """An entry on which both sides do not agree. `kind`: surplus, newer, differs, missing, dropped."""

    id: str
    kind: str
    ours: CopySide | None
    theirs: CopySide | None
    at: datetime


@dataclass(frozen=True, slots=True)
class CopyFork:
    """Two statements of one host that cannot both be true: of place `as_of`, each root with when it was signed."""

    as_of: int
    first: tuple[str, datetime]
    second: tuple[str, datetime]


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that waits for the reader (D.1)."""

    title: str
    url: str
    why: str
    org: Org
    button: str
    due: datetime | None = None
    now: bool = False


@dataclass(frozen=True, slots=True)
class Next:
    """Where a list goes on: addresses, empty where it ends."""

    newer: str = ""
    older: str = ""


@dataclass(frozen=True, slots=True)
class NavItem:
    """One entry of the left column, and of the dock on a phone."""

    name: str  # what `current` is compared with
    label: str
    url: str
    icon: str
    key: str = ""  # second key after `g`
    count: int = 0  # only what needs the reader
    dock: bool = True


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page has around it."""

    house: Org
    domain: str
    me: Person | None = None
    nav: Sequence[NavItem] = ()
    spaces: Sequence[SpaceLine] = ()  # followed, for the left column
    theme: Literal["", "light", "dark"] = ""  # empty: the system's
    shortcuts: bool = True
    search_url: str = ""  # empty: no search field
    write_url: str = ""  # empty: no button
    notices: Sequence[tuple[str, str]] = ()  # ("ok" | "late" | "stop" | "", sentence), shown once
