"""What the protocol asks of its host, and the values that pass between them.

Rule: one small `Protocol` a noun; `Work` puts them together for one unit of work, committed
together or not at all. `federation.adapters.memory` answers all of them in dictionaries; a node
answers with tables. One contract suite holds both to the same word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from federation.activity import Activity, Document
from federation.http import Headers, Request, Response
from federation.keys import PublicKey, SigningKey


class State(StrEnum):
    """The life of a relation (PROTOCOL 2.a.7)."""

    INVITED = "invited"
    KEYS_EXCHANGED = "keys-exchanged"
    VERIFIED = "verified"
    OFFERED = "offered"
    IN_FORCE = "in-force"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class Proposal:
    """An agreement on offer: a first one, or the next version while the present one holds.

    `offer` is the id of the Offer, open until `ends` (UTC, RFC 3339); `by_us` says who made it; `accepted` that
    we have accepted it, and wait for the partner to take that in.
    """

    offer: str
    agreement: Document
    digest: str
    ends: str
    by_us: bool
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """One peering, as the wire needs it. `id` is the host's own name for it.

    `keys` are the node keys of the partner that hold, the current first. `recompare`: one was revoked, and until both
    admins have compared the fingerprint of the new one nothing but that passes.

    `agreement` is the one in force, kept while suspended; `offer` and `accept` are the ids of the activities that
    made it, `offered_by_us` says who offered. `genesis` is D of the version with which both streams began: the
    first, unless a later one named new streams. `suspended_here`, `suspended_there`: who has suspended it, maybe
    both. `ends` is the day that a termination names (UTC, RFC 3339). Digests as D(x) of PROTOCOL 2.0; texts are ""
    while there is none.
    `stopped_here`, `stopped_there`: spaces (IRIs) in which that side lets nothing pass now; `proven`: e-mail domains
    of the partner that the DNS confirms.
    """

    id: str
    node: str
    name: str
    state: State
    keys: tuple[PublicKey, ...]
    inbox: str
    exchange: str
    invite: str
    stream_in: str = ""
    stream_out: str = ""
    genesis: str = ""
    agreement: Document | None = None
    agreement_digest: str = ""
    offer: str = ""
    accept: str = ""
    offered_by_us: bool = False
    proposal: Proposal | None = None
    suspended_here: bool = False
    suspended_there: bool = False
    ends: str = ""
    stopped_here: frozenset[str] = frozenset()
    stopped_there: frozenset[str] = frozenset()
    proven: frozenset[str] = frozenset()
    confirmed_here: bool = False
    confirmed_there: bool = False
    recompare: bool = False

    @property
    def stopped(self) -> frozenset[str]:
        """The spaces in which nothing passes, whoever stopped it."""
        return self.stopped_here | self.stopped_there


@dataclass(frozen=True, slots=True)
class Invite:
    """An invitation of ours. `token` is raw (32 bytes); `expires` is a UTC time, RFC 3339."""

    id: str
    token: bytes
    expires: str
    used: bool
    failures: int
    expected_host: str | None


@dataclass(frozen=True, slots=True)
class Space:
    """A space as this node sees it. `host` is a node actor; `hosted` says whether it is ours.

    `rev` is the highest seen, `first_rev` the one from which we take part (0 on the host).
    """

    iri: str
    host: str
    hosted: bool
    rev: int
    first_rev: int
    roster_version: int
    active: bool


class Role(StrEnum):
    """What a person is in a space; given by the host, in the roster (DECISIONS 4)."""

    MEMBER = "member"
    MANAGER = "manager"


@dataclass(frozen=True, slots=True)
class MemberNode:
    """One organisation of a roster: its node actor, name, key (Multikey), role and since when.

    `stopped`: nothing passes between it and the host in this space now, so its people read nothing new.
    """

    node: str
    name: str
    key: str
    role: str
    since: str
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class FormerNode:
    """An organisation that left a space, or a key that it had there: proves what was said before the rev `until`."""

    node: str
    name: str
    key: str
    until: int


TOMBSTONE = "Tombstone"


class Mode(StrEnum):
    """What a recall asks of everybody who has the object (PROTOCOL 2.f)."""

    ERASE = "erase"
    HIDE = "hide"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Recall:
    """What a Delete asks beyond itself. `reason` is a code of the profile, `deadline` a UTC time, RFC 3339;
    `replacement` the id of what stands for it now.
    """

    mode: Mode
    reason: str
    deadline: str
    includes: Sequence[str] = ()
    replacement: str | None = None


@dataclass(frozen=True, slots=True)
class Erasure:
    """What a node did about a recall: rows of the receipt as PROTOCOL 2.f writes them, times in RFC 3339.

    `hold` is the ground on which it kept what it must; `items` are the receipts of others, in a summary.
    """

    erased: Sequence[Mapping[str, object]] = ()
    residual: Sequence[Mapping[str, object]] = ()
    hold: Mapping[str, object] | None = None
    items: Sequence[Mapping[str, object]] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of an object: enough to decide who may change it. `type` is Tombstone once it is gone."""

    id: str
    type: str
    attributed_to: str
    audience: str


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a stream. With nothing in it: seq 0 and the genesis, D of the first agreement."""

    seq: int
    entry_hash: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an exchange log (PROTOCOL 2.b). `time` is the writer's clock, RFC 3339."""

    seq: int
    activity: str
    type: str
    content_digest: str
    time: str
    prev: str
    entry_hash: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an entry: processed, duplicate, rejected or received; `problem` says why."""

    outcome: str
    problem: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """An admitted act on a space, for the host's own handlers.

    `rev` is its place in the space, None while it waits for the space's host. `own` says that the
    actor is one of ours.
    """

    activity: Activity
    space: Space
    actor: str
    rev: int | None
    own: bool
    relation: Relation | None


class Conflict(StrEnum):
    """How two histories of one stream came to light."""

    CHAIN = "chain"  # a batch does not go on from ours
    CHECKPOINT = "checkpoint"  # the partner's copy, or its log, has another head
    EQUIVOCATION = "equivocation"  # the partner has signed two heads for one size


@dataclass(frozen=True, slots=True)
class Dispute:
    """Two histories of a stream of either side: which hashes (as D) stand at entry `size`, here and there.

    `evidence` is JSON: method, URL, headers and manifest of a signed request, or the signed checkpoints and receipts.
    """

    stream: str
    conflict: Conflict
    size: int
    ours: str
    theirs: str
    evidence: Sequence[object]


class Actors(Protocol):
    """Who is known, and by which key: our own, and those that were introduced (PROTOCOL 2.j)."""

    def key(self, key_id: str) -> PublicKey | None:
        """The public key `key_id`, if its owner is ours or was introduced, and it holds now."""

    def key_at(self, key_id: str, moment: datetime) -> PublicKey | None:
        """The public key `key_id` for what it proved at `moment`: kept when it has ended; None when it had by then.

        A key that was revoked had ended when it was compromised.
        """

    def document(self, actor: str) -> Document | None:
        """The actor document with its node's proof, if known."""

    def digest(self, actor: str) -> str | None:
        """D of that document: so that nobody computes it for each message."""

    def learn(self, document: Document, node: str) -> None:
        """Keep an actor document that `node` has proved, and its keys, from now on."""

    def regain(self, document: Document) -> None:
        """Take back a person of ours who was made after the older backup that runs here, with the public keys of then.

        `document` is what our node proved. What the person signed with is lost: a new key signs from now on.
        """

    def signer(self, actor: str) -> SigningKey:
        """Our own key for `actor`. Raises LocalError when the actor is not ours."""


class Peers(Protocol):
    """The relations we have."""

    def of_origin(self, origin: str) -> Relation | None:
        """The relation with the node at `origin` (scheme://host[:port]), whatever its state."""

    def of_node(self, node: str) -> Relation | None:
        """The relation with this node actor, whatever its state."""

    def ended(self, origin: str) -> Relation | None:
        """The last relation with the node at `origin` that ended under an agreement."""


class Handshakes(Protocol):
    """What the handshake writes (PROTOCOL 2.a)."""

    def invite(self, invite_id: str) -> Invite | None:
        """An invitation of ours, used or not."""

    def use_invite(self, invite_id: str) -> bool:
        """Mark it used and forget its token; True the first time only."""

    def fail_invite(self, invite_id: str) -> None:
        """Count a wrong MAC; the fifth burns the invitation."""

    def introduce(self, node: str, key: PublicKey, invite: str) -> None:
        """A new relation in state keys-exchanged."""

    def confirmed_there(self, relation: Relation) -> None:
        """The partner's admin has confirmed the fingerprint."""

    def rekeyed(self, relation: Relation, keys: Sequence[PublicKey]) -> None:
        """The partner's node says with these from now on, the current first."""

    def revoked(self, relation: Relation, keys: Sequence[PublicKey], since: str) -> None:
        """A key of the partner's was compromised since `since` (UTC, RFC 3339) and has ended; `keys` are left.

        The relation is to be compared anew: neither side has confirmed it.
        """


class Agreements(Protocol):
    """The life of an agreement: versions, suspension, end (PROTOCOL 2.a.5 to 2.a.7)."""

    def offered(self, relation: Relation, offer: Activity, agreement: Document, digest: str) -> None:
        """An Offer came in, or went out (then its actor is our node); it takes the place of one that was open."""

    def accepted(self, relation: Relation, accept: Activity) -> None:
        """We accept the next version: the present one holds until the partner has taken that in."""

    def in_force(self, relation: Relation, accept: Activity) -> Relation:
        """The agreement on offer holds from now; answers the relation as it is then."""

    def declined(self, relation: Relation, offer: str) -> None:
        """The Offer leads to nothing; where it was the first, back to verified."""

    def suspended(self, relation: Relation, said: Activity) -> None:
        """Its actor, one of the two nodes, has suspended the agreement."""

    def resumed(self, relation: Relation, said: Activity) -> None:
        """Its actor takes its suspension back; the agreement holds when the other has none."""

    def stopped(self, relation: Relation, said: Activity, spaces: Sequence[str]) -> Relation:
        """Its actor stops these spaces from now, and no others; answers the relation as it is then."""

    def ends(self, relation: Relation, said: Activity) -> None:
        """One of the two has given notice: the agreement ends at the `startTime` of this Undo, or has ended."""

    def version(self, relation: Relation, digest: str) -> Document | None:
        """The version with this digest that holds, or once held."""


class Spaces(Protocol):
    """Spaces, their order, rosters and members."""

    def get(self, iri: str) -> Space | None:
        """The space, if we host it or are on its roster or were invited."""

    def take_rev(self, space: Space) -> int:
        """The next `rev` of a space that we host."""

    def advance(self, space: Space, rev: int) -> None:
        """Note that `rev` of another's space arrived. Keeps what is missing between.

        Raises ReplayedMessage when that `rev` was there already.
        """

    def role(self, space: str, actor: str) -> Role | None:
        """What `actor` is in `space`; None when no member."""

    def members(self, space: str) -> Sequence[str]:
        """The people who are in `space`; none where we know no such space."""

    def nodes(self, space: str) -> Sequence[MemberNode]:
        """The organisations of the roster in force, the host first."""

    def hosted_with(self, node: str) -> Sequence[str]:
        """The spaces that we host in which the organisation of `node` takes part."""

    def former(self, space: str) -> Sequence[FormerNode]:
        """The organisations and keys that the roster in force names as former."""

    def admit(self, effect: Effect, actor: str, role: Role) -> None:
        """`actor` is a member from this rev on."""

    def dismiss(self, effect: Effect, actor: str) -> None:
        """`actor` is no member from this rev on."""

    def request(self, effect: Effect) -> None:
        """A Follow from outside: waits for a person's decision, gives nothing."""

    def request_answered(self, request: str, *, accepted: bool) -> None:
        """A Follow of one of ours was answered by its space, or refused by the space's host."""

    def roster(self, effect: Effect, roster: Document) -> None:
        """A new version of the roster: its organisations and its people are those of the space from this rev.

        On a replica that takes part it is the next version and names the digest of the one in force; one
        that enters (again) takes any later version, and `first_rev` becomes this rev.

        Raises:
            RosterOutdated: it does not follow; carries `version`, the one in force. Where both cannot be of one
                history, both are kept as the proof of a fork, though all else is undone.
            OutOfScope: it names our node, and our admin has not accepted the space.
        """

    def invited(self, relation: Relation, invite: Activity, group: Document) -> None:
        """A partner offers us a space: waits for our admin."""

    def invitation(self, invite: str) -> tuple[Space, str] | None:
        """Our own open Invite: the space, and the node actor it was made to."""

    def answered(self, relation: Relation, invite: str, *, accepted: bool) -> None:
        """The partner's admin has answered our Invite."""

    def left(self, relation: Relation, space: Space) -> None:
        """A partner's organisation leaves our space, all its people with it.

        Raises ReplayedMessage when it is not on the roster.
        """


class Objects(Protocol):
    """What people post. The host dispatches by object type to whatever keeps it."""

    def stored(self, object_id: str) -> Stored | None:
        """What is known of an object, tombstones included."""

    def knows(self, object_type: str) -> bool:
        """Whether anything here keeps objects of this type."""

    def create(self, effect: Effect) -> None:
        """A new object, embedded in the activity; or the place of one of ours that waited for it.

        Raises ReplayedMessage when it has its place already, or is gone.
        """

    def update(self, effect: Effect) -> None:
        """The object is replaced whole (ActivityPub 7.3)."""

    def delete(self, effect: Effect) -> None:
        """The object is gone: a tombstone stays, also of one that was never here, so that no later Create
        brings it to life.
        """

    def like(self, effect: Effect) -> None:
        """The actor likes the object."""

    def unlike(self, effect: Effect) -> None:
        """The actor's Like of the object is undone."""

    def refused(self, activity_id: str, problem: Mapping[str, object]) -> None:
        """A partner refused this activity of ours, for good."""


class Recalls(Protocol):
    """What was called back, and which organisations have answered (PROTOCOL 2.f)."""

    def begin(self, effect: Effect, recall: Recall | None) -> None:
        """A Delete takes effect now, before the object is gone: keep what must be kept, note that the rest must
        be erased everywhere and who is asked to. Once for each Delete; again changes nothing.
        """

    def awaits(self, activity_id: str) -> str | None:
        """The space in which this recall was said, while answers to it are taken here."""

    def answered(self, activity_id: str, node: str, receipt: Document) -> None:
        """What `node` says became of it; only a later receipt of the same node takes the place of an earlier one."""

    def refused(self, relation: Relation, activity_id: str, problem: Mapping[str, object]) -> None:
        """A partner will not take this Delete of ours, for good; any other activity changes nothing."""

    def purged(self, relation: Relation, receipt: Document) -> None:
        """A partner's receipt of one run of retention, or of the end of an agreement."""


class Journal(Protocol):
    """Which activities were taken, and their bytes."""

    def digest_of(self, activity_id: str) -> str | None:
        """The content digest under which this id was taken; None when it never was."""

    def keep(self, activity: Activity, *, inside: Activity | None = None) -> None:
        """Take it: its id is seen from now on. For an Announce, `inside` is what it wraps.

        What is wrapped is stored once, however often it is announced (DECISIONS 22).
        """

    def get(self, activity_id: str) -> Activity | None:
        """An activity by id, unless its bytes were erased."""

    def announced(self, activity_id: str) -> bool:
        """Whether an Announce that wraps this activity was taken, or made by us."""

    def erase(self, activity_id: str) -> None:
        """Its bytes go, those inside its Announces too, also when it is only kept later; its id stays seen."""


class Log(Protocol):
    """What we have sent, or must send: one stream for each relation (PROTOCOL 2.b)."""

    def head(self, relation: Relation) -> Head:
        """The last entry appended."""

    def acknowledged(self, relation: Relation) -> int:
        """Up to which seq the partner has receipted; 0 for nothing."""

    def append(self, relation: Relation, entry: Entry) -> None:
        """Add the next entry. The bytes are the journal's."""

    def aside(self, relation: Relation, activity: Activity) -> None:
        """Say it to the partner's node inbox too, soon: its stream waits."""

    def read(
        self, relation: Relation, first: int, lines: int, size_bytes: int
    ) -> Sequence[tuple[Entry, bytes]]:
        """Entries from `first` on with their bytes (empty when erased or refused), within both bounds; at
        least one when there is one.
        """

    def entry(self, relation: Relation, seq: int) -> Entry | None:
        """One entry of ours."""

    def unwind(self, relation: Relation, seq: int) -> Sequence[Entry]:
        """Take off the entries from `seq` on, which never left this node; those, in order."""

    def times(self, relation: Relation, activity_id: str) -> int:
        """How often this activity stands in the stream: what is refused twice is not said a third time."""

    def acknowledge(self, relation: Relation, seq: int) -> None:
        """The partner has receipted up to `seq`."""

    def refuse(self, relation: Relation, seq: int, problem: Mapping[str, object]) -> None:
        """The entry is refused for good: by the partner, or before it left, as the agreement has grown narrower."""

    def hold(self, relation: Relation, seq: int) -> None:
        """The partner keeps the entry, to try it again, and will say what became of it; no change where it has."""

    def late(self, relation: Relation, seq: int) -> str | None:
        """The id of the Create that said at last what became of the entry, "" while the partner holds it; else None."""

    def conclude(self, relation: Relation, seq: int, said: str) -> None:
        """The Create `said` has the final receipt of the entry."""


class Streams(Protocol):
    """What partners have sent us."""

    def head(self, relation: Relation) -> Head:
        """The last entry taken."""

    def entries(self, relation: Relation, first: int, last: int) -> Sequence[tuple[Entry, Outcome]]:
        """Known entries of a range, in order."""

    def read(
        self, relation: Relation, first: int, lines: int, size_bytes: int
    ) -> Sequence[tuple[Entry, bytes]]:
        """Entries from `first` on with their bytes as they came (empty when erased, or never kept), within both
        bounds; at least one when there is one.
        """

    def record(self, relation: Relation, taken: Iterable[tuple[Entry, Outcome]]) -> None:
        """Append entries with what became of them."""

    def hold(self, relation: Relation, seq: int, raw: bytes, about: str | None) -> None:
        """Keep a line that we could not apply through our own fault, to be tried again."""

    def holds(self, relation: Relation, about: str | None) -> bool:
        """Whether a kept line speaks about this object: later ones wait behind it."""

    def disputed(self, relation: Relation) -> bool:
        """Whether the partner's stream is disputed: it has stopped, for good."""

    def dispute(self, relation: Relation, dispute: Dispute) -> None:
        """Two histories: keep both, and mark the stream. The same again changes nothing."""


class Checkpoints(Protocol):
    """What a log is at one size (PROTOCOL 2.b): the hashes, and what was signed. `stream` is of either side."""

    def leaves(self, relation: Relation, stream: str, first: int, last: int) -> Sequence[bytes]:
        """The hashes (32 bytes) of the entries `first` to `last`, as far as there are."""

    def blocks(self, relation: Relation, stream: str, count: int) -> Sequence[bytes]:
        """The roots of the first blocks of `merkle.BLOCK` entries, as far as they were kept, at most `count`."""

    def keep_blocks(self, relation: Relation, stream: str, first: int, roots: Sequence[bytes]) -> None:
        """Keep the roots of the blocks from number `first` (0, 1, …) on."""

    def keep(
        self,
        relation: Relation,
        checkpoint: Document,
        receipt: Document,
        headers: tuple[Headers, Headers] | None = None,
    ) -> None:
        """Keep a checkpoint with the answer of the other side; with the two signed header sets when it is ours."""

    def answer(self, checkpoint_id: str) -> Document | None:
        """The receipt that was kept for this checkpoint."""

    def of_size(self, relation: Relation, stream: str, size: int) -> Sequence[Document]:
        """The checkpoints that were kept for this size, of either side, oldest first."""


class Receipts(Protocol):
    """Receipts given and received (PROTOCOL 2.b, 2.i)."""

    def given(self, relation: Relation, first: int, last: int) -> Document | None:
        """The receipt that we gave for exactly this range."""

    def keep_given(self, relation: Relation, receipt: Document) -> None: ...

    def keep_received(
        self, relation: Relation, receipt: Document, request: Request, response: Response
    ) -> None:
        """Keep the partner's receipt, and the two signed header sets (receipt level 1)."""


class Nonces(Protocol):
    """Which nonces were used."""

    def first_use(self, key_id: str, nonce: str, now: datetime) -> bool:
        """True once, durably, for `NONCE_MEMORY_S`."""


class Introductions(Protocol):
    """What we have introduced to whom (PROTOCOL 2.j)."""

    def known(self, relation: Relation, actor: str) -> str | None:
        """The digest of the document of `actor` that this partner has from us."""

    def introduced(self, relation: Relation, actor: str, digest: str) -> None: ...


class Statements(Protocol):
    """What nodes sign of their copies of spaces (PROTOCOL 2.c)."""

    def keep(self, statement: Document) -> None:
        """Keep one that its node has proved, beside those about the same; equal copies, copies that differ and two
        histories of one host are found by that.
        """

    def doubt(self, space: str) -> None:
        """Our copy of this space may have gone apart from its host's: compare it soon, unless that was just done."""


class Audit(Protocol):
    """The audit log."""

    def note(self, event: str, **facts: object) -> None:
        """One line: what happened, to whom, by which rule; never content."""

    def count(self, event: str, problem: str) -> None:
        """A stranger was refused: counted and written now and then, so that nobody can fill the log."""


class Work(Protocol):
    """One unit of work: everything a walk may touch, committed together or not at all."""

    @property
    def node(self) -> str:
        """Our node actor."""

    @property
    def now(self) -> datetime:
        """The clock, UTC."""

    @property
    def actors(self) -> Actors: ...
    @property
    def peers(self) -> Peers: ...
    @property
    def handshakes(self) -> Handshakes: ...
    @property
    def agreements(self) -> Agreements: ...
    @property
    def spaces(self) -> Spaces: ...
    @property
    def objects(self) -> Objects: ...
    @property
    def recalls(self) -> Recalls: ...
    @property
    def journal(self) -> Journal: ...
    @property
    def log(self) -> Log: ...
    @property
    def streams(self) -> Streams: ...
    @property
    def receipts(self) -> Receipts: ...
    @property
    def checkpoints(self) -> Checkpoints: ...
    @property
    def nonces(self) -> Nonces: ...
    @property
    def introductions(self) -> Introductions: ...
    @property
    def statements(self) -> Statements: ...
    @property
    def audit(self) -> Audit: ...

    def savepoint(self) -> AbstractContextManager[None]:
        """Undo what was written inside when an exception leaves it."""
