"""One run over our copy of a partner's space: compare, fetch what differs, prove that both are equal.

Rule: nothing is believed but what the host signed: its statement, lists that lead to the root of it, and Announces,
which pass the same gate as from a stream. A higher `rev` wins; nothing is deleted. The run holds one portion of
leaves at a time; `Host` asks over the net, `Copy` opens units of work, never one inside the other.
Source: PROTOCOL 2.c, *Run*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from federation import activities, gate, limits, replica
from federation import activity as reading
from federation.activity import Document
from federation.apply import take as apply
from federation.digest import multibase_of
from federation.documents import id_of
from federation.errors import DigestMismatch, OutOfScope, ReplayedMessage, TooLarge
from federation.ports import Relation, Work
from federation.replica import Leaf, Statement, Tally, View
from federation.settings import Settings
from federation.trust import Received

ROUNDS = 3
"""How often everything is asked anew: after a repair, and when the space changed meanwhile."""

T = TypeVar("T")
Kind = Literal["surplus", "newer", "differs", "missing"]


class Host(Protocol):
    """The node that orders the space. Each call is one request; each raises what stops the run."""

    def statement(self) -> Document:
        """What it signs of its copy, as of now."""

    def buckets(self, as_of: int) -> Sequence[bytes]:
        """The 256 hashes behind a statement."""

    def leaves(self, as_of: int, numbers: Sequence[int]) -> Iterable[Leaf]:
        """The leaves of these buckets, in the order of SHA-256(id)."""

    def after(self, rev: int) -> Iterable[bytes]:
        """The next Announces after `rev`, oldest first; none when there are no more."""

    def announces(self, revs: Sequence[int]) -> Iterable[bytes]:
        """The Announces of these revs; of an edit also the one that brought the object."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A leaf on which the two sides do not agree, as each has it.

    surplus: only here; newer: changed here by a later rev; missing: not here; differs: something else here.
    """

    kind: Kind
    ours: Leaf | None
    theirs: Leaf | None


class Copy(Protocol):
    """Our side, each call in units of work of its own."""

    def read(self, statement: Document) -> Statement:
        """The host's statement, proved. Raises RemoteError."""

    def rev(self) -> int:
        """How far we are without a hole."""

    def tally(self, as_of: int, view: View) -> Tally:
        """Our leaves as of a rev, brought up to date."""

    def leaves(self, as_of: int, view: View, numbers: Sequence[int]) -> Iterable[Leaf]:
        """Those of these buckets."""

    def named(self, as_of: int, view: View, ids: Sequence[str]) -> Iterable[Leaf]:
        """Those of these ids, brought up to date."""

    def take(self, lines: Iterable[bytes], wanted: Mapping[str, Wanted]) -> int:
        """Apply Announces (`take` below), each in a savepoint; how many had an effect."""

    def withhold(self, known: Iterable[Leaf], over: Iterable[Leaf]) -> None:
        """Remember what the host only tells us of, and forget what it no longer does."""

    def set_aside(self, found: Sequence[Difference]) -> None:
        """Keep both sides for the admin; what is surplus is hidden from readers."""

    def agree(self, theirs: Statement, tally: Tally) -> None:
        """Sign that our copy is the same, keep both, and send ours."""

    def disagree(self, theirs: Statement, tally: Tally) -> None:
        """Keep the host's statement beside what we have."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What may be applied again: above `over`, the rev that we have (-1: nothing), up to `rev`, what the host has."""

    over: int
    rev: int


@dataclass(slots=True)
class Report:
    """What a run found. `equal` means proved; `behind` and `repaired` count Announces that took effect."""

    as_of: int = 0
    count: int = 0
    equal: bool = False
    behind: int = 0
    repaired: int = 0
    aside: list[Difference] = field(default_factory=list)
    """What only we have: hidden, and kept."""
    differences: list[Difference] = field(default_factory=list)
    rolled_back: bool = False
    """The host says an older rev than one that it announced to us."""


def run(host: Host, copy: Copy, progress: Callable[[str, int], None] = lambda _step, _count: None) -> Report:
    """Compare, repair, compare again. `progress` hears of each step: its name and how much there is of it.

    Raises what `host` raises when it does not answer, and RemoteError when what it says contradicts itself.
    """
    report = Report()
    for left in reversed(range(ROUNDS)):
        theirs = copy.read(host.statement())
        report.as_of, report.count = theirs.as_of, theirs.count
        progress("compare", theirs.count)
        report.behind += _catch_up(host, copy, theirs.as_of, progress)
        if copy.rev() > theirs.as_of and not _grows(host, copy, theirs):
            report.rolled_back = True
            copy.disagree(theirs, copy.tally(theirs.as_of, theirs.view))
            break
        ours = copy.tally(theirs.as_of, theirs.view)
        if _equal(ours, theirs):
            report.equal, report.differences = True, []
            copy.agree(theirs, ours)
            break
        if not left:
            copy.disagree(theirs, ours)
            break
        hashes = host.buckets(theirs.as_of)
        if multibase_of(replica.root(hashes)) != theirs.root:
            raise DigestMismatch("The bucket hashes of the host do not lead to the root that it signed.")
        _mend(host, copy, theirs, ours, hashes, report, progress)
    return report


def _equal(ours: Tally, theirs: Statement) -> bool:
    return (ours.count, ours.root) == (theirs.count, theirs.root)


def _catch_up(host: Host, copy: Copy, as_of: int, progress: Callable[[str, int], None]) -> int:
    """Read what we lack of the order of the space, from the host itself; how much of it took effect."""
    taken, rev = 0, copy.rev()
    while rev < as_of:
        progress("catch up", as_of - rev)
        taken += copy.take(host.after(rev), {})
        if copy.rev() <= rev:
            break  # what is missing was erased, or refused here: the leaves say what remains
        rev = copy.rev()
    return taken


def _grows(host: Host, copy: Copy, theirs: Statement) -> bool:
    """Whether the space only went on meanwhile: then the host says a later rev when it is asked again."""
    return copy.read(host.statement()).as_of >= copy.rev() > theirs.as_of


def _mend(
    host: Host,
    copy: Copy,
    theirs: Statement,
    ours: Tally,
    hashes: Sequence[bytes],
    report: Report,
    progress: Callable[[str, int], None],
) -> None:
    """Fetch what differs, a portion of the buckets at a time, and set aside what nothing mends."""
    numbers = replica.differing(ours.hashes, hashes)
    report.differences = []
    for portion in _portions(numbers, theirs.count):
        progress("repair", len(portion))
        listed = list(host.leaves(theirs.as_of, portion))
        _check_list(listed, portion, hashes)
        found = compare(copy.leaves(theirs.as_of, theirs.view, portion), listed)
        if not found:
            continue
        told = [each.theirs for each in found if each.kind == "missing" and _is_withheld(each.theirs)]
        over = [each.ours for each in found if _is_withheld(each.ours)]
        copy.withhold(_leaves(told), _leaves(over))
        wanted = [
            each for each in found if each.kind in {"missing", "differs"} and not _is_withheld(each.theirs)
        ]
        for some in _some(wanted, limits.MAX_BATCH_LINES):
            revs = [leaf.rev for leaf in _leaves(each.theirs for each in some)]
            report.repaired += copy.take(host.announces(revs), _wanted(some))
        named = {leaf.id for each in found for leaf in _leaves((each.ours, each.theirs))}
        ours_now = copy.named(theirs.as_of, theirs.view, sorted(named))
        remains = compare(ours_now, [each for each in listed if each.id in named])
        copy.set_aside(remains)
        report.aside += [each for each in remains if each.kind == "surplus"]
        report.differences += [each for each in remains if each.kind != "surplus"]


def _leaves(found: Iterable[Leaf | None]) -> list[Leaf]:
    return [leaf for leaf in found if leaf is not None]


def _is_withheld(leaf: Leaf | None) -> bool:
    return leaf is not None and leaf.state == "withheld"


def _wanted(some: Sequence[Difference]) -> dict[str, Wanted]:
    return {
        each.theirs.id: Wanted(each.ours.rev if each.ours else -1, each.theirs.rev)
        for each in some
        if each.theirs is not None
    }


def compare(ours: Iterable[Leaf], theirs: Iterable[Leaf]) -> list[Difference]:
    """What the two sides of some buckets do not agree on."""
    here, found = {each.id: each for each in ours}, []
    for leaf in theirs:
        own = here.pop(leaf.id, None)
        if own == leaf:
            continue
        if own is None or own.state == "withheld":
            found.append(Difference("missing", own, leaf))
        elif leaf.state == "withheld":
            found.append(Difference("surplus", own, leaf))
        else:
            found.append(Difference("newer" if own.rev > leaf.rev else "differs", own, leaf))
    found += [Difference("surplus", own, None) for own in here.values()]
    return found


def _check_list(listed: Sequence[Leaf], portion: Sequence[int], hashes: Sequence[bytes]) -> None:
    """That a list of leaves is the one that the host signed."""
    said = replica.tally(listed).hashes
    if any(said[number] != hashes[number] for number in portion) or {each.place[0] for each in listed} - set(
        portion
    ):
        raise DigestMismatch("The leaves of the host do not lead to the root that it signed.")


def _portions(numbers: Sequence[int], count: int) -> Iterator[Sequence[int]]:
    """As many buckets at once as have about `MAX_LEAVES` leaves."""
    at_once = max(1, limits.MAX_LEAVES * replica.BUCKETS // max(count, 1))
    return _some(numbers, at_once)


def _some(all_of: Sequence[T], at_once: int) -> Iterator[Sequence[T]]:
    for first in range(0, len(all_of), at_once):
        yield all_of[first : first + at_once]


def take(
    line: bytes, relation: Relation, space: str, wanted: Mapping[str, Wanted], work: Work, settings: Settings
) -> bool:
    """Apply one Announce that the host of `space` was asked for; whether it had an effect.

    New to us, it is taken as from a stream. What we took before and lost is applied once more when it is `wanted`.
    Raises RemoteError when it may not be said here; nothing was written then if the caller undoes it.
    """
    if len(line) > 2 * limits.MAX_LINE_BYTES:
        raise TooLarge("The Announce is too long.")
    activity = reading.read(line)
    if activity.type != "Announce" or activity.audience != space or activity.rev is None:
        raise OutOfScope("Only what this space announced was asked for.")
    trusted = gate.admit(gate.authenticate(Received(activity, relation), work), work)
    seen = work.journal.digest_of(activity.id)
    if seen is None:
        apply(trusted, work, settings)
        return True
    if seen != activity.content_digest:
        raise ReplayedMessage("The id was taken before with another body.")
    inside = gate.announced(trusted, work, again=True)
    about = wanted.get(id_of(inside.activity.document["object"]) or "") or wanted.get(inside.activity.actor)
    if about is None or not about.over <= activity.rev <= about.rev:
        return False
    said = inside.activity
    if said.type == "Create" and work.objects.stored(str(said.object_id)) is not None:
        return False  # it came along with an edit of it
    activities.BY_NAME[said.type].receive(inside, work)
    return True
