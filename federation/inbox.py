"""The inbound walk: from a request to rows, log entries and one signed receipt.

Order of trust: PROTOCOL 2.k. A line that fails has no effect and is an exception of the receipt; the
others go on. Nothing is fetched. The caller commits when nothing is raised.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from federation import activity as reading
from federation import (
    charter,
    documents,
    ending,
    exchange,
    gate,
    handshake,
    limits,
    receipts,
    synchronization,
)
from federation.apply import take
from federation.authority import PASSES_UNCOMPARED, Thing, passes_suspended, thing_of
from federation.digest import content_digest
from federation.errors import (
    DigestMismatch,
    DisputedHistory,
    Malformed,
    NoAgreement,
    OtherAgreement,
    OutOfScope,
    RemoteError,
    ReplayedMessage,
    TooLarge,
)
from federation.http import Request
from federation.ports import Conflict, Dispute, Entry, Head, Outcome, Relation, State, Work
from federation.settings import Settings
from federation.signatures import PeerSignature
from federation.trust import Authentic, Received

log = logging.getLogger(__name__)

PROCESSED = Outcome("processed")
ANNOUNCE_HEADROOM_BYTES = 4096  # an Announce wraps a line that may itself be of full size

#: What the node inbox takes, whatever the state of the relation; beside it `authority.PASSES_SUSPENDED` while an
#: agreement is in force or suspended. All else goes through the exchange.
HANDSHAKE = frozenset(
    {
        ("Offer", Thing.AGREEMENT),
        ("Accept", Thing.OFFER),
        ("Reject", Thing.OFFER),
        ("Undo", Thing.OFFER),
        ("Update", Thing.INVITE),
    }
)
_IN_ANY_STATE = HANDSHAKE | {("Update", Thing.ACTOR)}  # a node changes its keys, whatever was agreed


class Disputed(DisputedHistory):
    """A disputed history with what is needed to keep both."""

    def __init__(self, cause: DisputedHistory, relation: Relation, dispute: Dispute) -> None:
        super().__init__(cause.detail, **cause.members)
        self.relation, self.dispute = relation, dispute


def receive_batch(
    request: Request,
    sender: PeerSignature,
    work: Work,
    settings: Settings,
    failpoint: Callable[[str], None],
) -> reading.Document:
    """Take in one batch that `gate.sender` has verified; the answer is the receipt.

    Raises:
        RemoteError: the request as a whole is refused; nothing was written.
    """
    relation = gate.enter(sender, work)
    field = exchange.read_field(request.headers.get("exchange-log"))
    batch = exchange.read(field, request.body, settings.max_batch_lines)
    _check_agreement(field, relation, work)
    if work.streams.disputed(relation):
        raise DisputedHistory("This stream is disputed. It goes on as a new stream under a new agreement.")
    head = work.streams.head(relation)
    try:
        known = exchange.fresh(batch, head, lambda first, last: _hashes(relation, first, last, work))
    except DisputedHistory as error:
        raise Disputed(error, relation, _dispute(error, batch, relation, request)) from error
    failpoint("inbox.chain-verified")
    taken = []
    for entry, line in zip(batch.entries[known:], batch.lines[known:], strict=True):
        taken.append((entry, _take_line(entry, line, relation, work, settings)))
        failpoint("inbox.line-taken")
        if entry.type == "Accept":  # of our offer: the relation is another from here on
            relation = work.peers.of_node(relation.node) or relation
    work.streams.record(relation, taken)
    synchronization.take(request.headers.get(synchronization.FIELD), relation, work)
    failpoint("inbox.recorded")
    return _receipt(request, batch, relation, head, taken, work, settings)


def take_shown(batch: exchange.Batch, relation: Relation, work: Work, settings: Settings) -> int:
    """Take in entries of the partner's stream that it showed us when we asked, as if it had sent them; how many.

    Raises RemoteError when they do not go on from our head; nothing was written.
    """
    _check_agreement(batch.field, relation, work)
    head = work.streams.head(relation)
    known = exchange.fresh(batch, head, lambda first, last: _hashes(relation, first, last, work))
    taken = []
    for entry, line in zip(batch.entries[known:], batch.lines[known:], strict=True):
        taken.append((entry, _take_line(entry, line, relation, work, settings)))
        if entry.type == "Accept":  # of our offer: the relation is another from here on
            relation = work.peers.of_node(relation.node) or relation
    work.streams.record(relation, taken)
    return len(taken)


def read_single(request: Request) -> reading.Activity:
    """The one activity of a request to the node inbox. Raises RemoteError when it is none."""
    if len(request.body) > limits.MAX_ACTIVITY_BYTES:
        raise TooLarge(f"At most {limits.MAX_ACTIVITY_BYTES} bytes.")
    return reading.read(request.body)


def accepts_invite(activity: reading.Activity) -> bool:
    """Whether it is the acceptance of an invitation, whose sender no relation knows yet."""
    return activity.type == "Accept" and "inviteBinding" in activity.document


def receive_single(
    request: Request, activity: reading.Activity, sender: PeerSignature | None, work: Work, settings: Settings
) -> reading.Document | None:
    """Take in one activity of the handshake, or what passes outside the stream (PROTOCOL 2.0, *Endpoints*; 2.a.7).

    `sender` as `gate.sender` gave it, None for the acceptance of an invitation. Answers the receipt that a
    checkpoint asks for, the same one each time.
    Raises RemoteError when it is refused; nothing was written.
    """
    if sender is None:
        if work.journal.digest_of(activity.id) == activity.content_digest:
            gate.transport(request, work, max_bytes=limits.MAX_ACTIVITY_BYTES)
            return None  # our answer was lost: the same again changes nothing
        handshake.admit(handshake.introduced(request, activity, work, settings), work)
        return None
    accounts = ending.is_account(activity)
    relation = gate.enter(sender, work, former=accounts)
    act = (activity.type, thing_of(activity))
    if act not in HANDSHAKE:
        _check_single(activity, act, relation)
    if accounts and relation.state is State.TERMINATED:
        ending.check_account(activity, relation, work.now)
    elif act not in _IN_ANY_STATE or (relation.recompare and act not in PASSES_UNCOMPARED):
        charter.check_in_force(relation, work.now, act)
    trusted = gate.admit(gate.authenticate(Received(activity, relation), work), work)
    if _first_sight(activity, work):
        take(trusted, work, settings)
    return work.checkpoints.answer(str(activity.object_id)) if act == ("Create", Thing.CHECKPOINT) else None


def _check_single(activity: reading.Activity, act: tuple[str, Thing], relation: Relation) -> None:
    """That it is of what must pass while the stream waits; of introductions, those of the node itself alone."""
    introduces = act == ("Update", Thing.ACTOR)
    if not passes_suspended(activity) or (introduces and activity.object_id != relation.node):
        raise OutOfScope("The node inbox takes handshake and control; all else goes through the exchange.")


def _take_line(entry: Entry, line: bytes, relation: Relation, work: Work, settings: Settings) -> Outcome:
    """What becomes of one line; whatever it is, the next one goes on."""
    if not line:
        return PROCESSED  # erased since: its entry stays, there is nothing to apply
    about: str | None = None
    try:
        with work.savepoint():
            authentic = _authenticate_line(entry, line, relation, work, settings)
            about = _about(authentic.activity)
            if _waits(authentic.activity, about, relation, work):
                work.streams.hold(relation, entry.seq, line, about)
                return Outcome("received")
            return _take_activity(authentic, work, settings)
    except RemoteError as error:
        return _rejected(error, entry, relation, work)
    except Exception:
        log.exception("entry %d of %s was not applied; kept to be tried again", entry.seq, relation.node)
        work.streams.hold(relation, entry.seq, line, about)
        return Outcome("received")


def _authenticate_line(
    entry: Entry, line: bytes, relation: Relation, work: Work, settings: Settings
) -> Authentic:
    activity = read_line(entry, line, settings)
    if relation.state is not State.IN_FORCE and not _is_accept_of_offer(activity):
        raise NoAgreement("The agreement is not in force yet.")
    return gate.authenticate(Received(activity, relation), work)


def _is_accept_of_offer(activity: reading.Activity) -> bool:
    return activity.type == "Accept" and thing_of(activity) is Thing.OFFER


def _take_activity(authentic: Authentic, work: Work, settings: Settings) -> Outcome:
    trusted = gate.admit(authentic, work)
    if not _first_sight(authentic.activity, work):
        return Outcome("duplicate")
    take(trusted, work, settings)
    return PROCESSED


def _about(activity: reading.Activity) -> str | None:
    """What later lines wait for, should this one be kept: the object of people that it speaks of, inside an
    Announce or an Undo too; the space, when its people or organisations change.
    """
    document = activity.document
    if activity.type == "Announce" and activity.object is not None and "object" in activity.object:
        document = activity.object
    spoken = document["object"]
    if document.get("type") in _CHANGES_MEMBERS or "Roster" in documents.types(spoken):
        return activity.audience
    if document.get("type") == "Undo" and isinstance(spoken, dict):
        spoken = spoken.get("object", spoken)
    return documents.id_of(spoken)


_CHANGES_MEMBERS = frozenset({"Add", "Join", "Leave", "Remove"})


def _waits(activity: reading.Activity, about: str | None, relation: Relation, work: Work) -> bool:
    """Whether an earlier line, kept through our own fault, must come first (DECISIONS 21)."""
    return work.streams.holds(relation, about) or work.streams.holds(relation, activity.audience)


def retry(entry: Entry, line: bytes, relation: Relation, work: Work, settings: Settings) -> Outcome:
    """Try a held line once more, in a unit of work of its own. Our own faults go through."""
    try:
        with work.savepoint():
            return _take_activity(_authenticate_line(entry, line, relation, work, settings), work, settings)
    except RemoteError as error:
        return _rejected(error, entry, relation, work)


def read_line(entry: Entry, line: bytes, settings: Settings) -> reading.Activity:
    """The activity of a line, which is exactly the one that its entry names. Raises RemoteError."""
    headroom = ANNOUNCE_HEADROOM_BYTES if entry.type == "Announce" else 0
    if len(line) > settings.max_line_bytes + headroom:
        raise TooLarge(f"A line has at most {settings.max_line_bytes} bytes.")
    if content_digest(line) != entry.content_digest:
        raise DigestMismatch("The line is not the one that its entry names.")
    activity = reading.read(line)
    if activity.id != entry.activity or activity.type != entry.type:
        raise Malformed("Entry and line differ in id or type.")
    return activity


def _first_sight(activity: reading.Activity, work: Work) -> bool:
    """True for an id never taken; False for the same again.

    Raises ReplayedMessage for the same id with another body.
    """
    seen = work.journal.digest_of(activity.id)
    if seen is not None and seen != activity.content_digest:
        raise ReplayedMessage("The id was taken before with another body.")
    return seen is None


def _rejected(error: RemoteError, entry: Entry, relation: Relation, work: Work) -> Outcome:
    work.audit.note(
        "exchange.line-rejected",
        partner=relation.node,
        seq=entry.seq,
        activity=entry.activity,
        digest=entry.content_digest,
        problem=error.type,
        rule=error.detail,
    )
    return Outcome("rejected", error.document())


def _check_agreement(field: exchange.LogField, relation: Relation, work: Work) -> None:
    proposal, agreement = relation.proposal, relation.agreement_digest
    if relation.agreement is None and proposal is not None and proposal.by_us:
        agreement = proposal.digest  # its Accept is the first entry of their stream
    else:
        charter.check_in_force(relation, work.now)
    if field.agreement != agreement:
        raise OtherAgreement("Another agreement is in force here.", agreement=agreement)
    if field.stream != relation.stream_in:
        raise NoAgreement("The agreement names another stream for this node.")


def _hashes(relation: Relation, first: int, last: int, work: Work) -> list[str]:
    """Our entry hashes from `first` to `last`; seq 0 is the genesis."""
    genesis = [relation.genesis] if first == 0 else []
    known = work.streams.entries(relation, max(first, 1), last)
    return [*genesis, *(entry.entry_hash for entry, _ in known)]


def _dispute(error: DisputedHistory, batch: exchange.Batch, relation: Relation, request: Request) -> Dispute:
    size, ours = int(str(error.members["size"])), str(error.members["myHead"])
    theirs = [batch.field.prev, *(each.entry_hash for each in batch.entries)][size - batch.field.seq + 1]
    manifest = request.body.partition(b"\n")[0].decode()  # no line: what is called back must not stay here
    evidence = [request.method, request.url, list(request.headers), manifest]
    return Dispute(relation.stream_in, Conflict.CHAIN, size, ours, theirs, evidence)


def _receipt(
    request: Request,
    batch: exchange.Batch,
    relation: Relation,
    head: Head,
    taken: Sequence[tuple[Entry, Outcome]],
    work: Work,
    settings: Settings,
) -> reading.Document:
    """The receipt for the range of the batch; for a hello, up to the head."""
    first, count = batch.field.seq, len(batch.entries)
    last = head.seq if count == 0 else first + count - 1
    first = last if count == 0 else first
    if count and not taken:
        stored = work.receipts.given(relation, first, last)
        now = (receipts.agreement_of(relation), content_digest(request.body))
        if stored is not None and (stored["agreement"], stored["contentDigest"]) == now:
            return stored  # under an earlier version, or with lines erased since, the same range is receipted anew
    outcomes = taken if len(taken) == count else work.streams.entries(relation, first, last)
    end = Head(last, outcomes[-1][0].entry_hash) if outcomes else head
    receipt = receipts.of_range(
        settings,
        relation,
        work.actors.signer(settings.node),
        first,
        end,
        outcomes,
        content_digest(request.body),
        work.now,
    )
    if count:
        work.receipts.keep_given(relation, receipt)
    return receipt
