"""One run over a copy: what is asked, what is believed, and what an Announce may do that is asked for again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from federation import repair, replica
from federation.activity import Document
from federation.digest import digest
from federation.errors import BadProof, DigestMismatch, OutOfScope, RemoteError, ReplayedMessage
from federation.keys import SigningKey
from federation.repair import Difference, Wanted
from federation.replica import Leaf, Statement, Tally, View
from tests.federation.world import Clock, Node

NODE = "https://north.example/actor"
SPACE = "https://north.example/spaces/1"
KEY = SigningKey.generate(f"{NODE}#ed25519")


def leaf(number: int, rev: int = 1, words: str = "", **members: Any) -> Leaf:
    values = {"state": "live", "digest": digest(words or number), **members}
    return Leaf(f"https://north.example/o/{number}", rev, **values)


def some(*numbers: int) -> dict[str, Leaf]:
    return {each.id: each for each in map(leaf, numbers)}


def in_order(leaves: Iterable[Leaf]) -> list[Leaf]:
    return sorted(leaves, key=lambda each: each.place)


@dataclass
class Held:
    """Leaves in memory, the host's or ours; the host's counts what it is asked."""

    leaves_: dict[str, Leaf]
    rev_: int = 9
    asked: list[str] = field(default_factory=list)

    def tallied(self) -> Tally:
        return replica.tally(in_order(self.leaves_.values()))

    def of(self, numbers: Sequence[int]) -> list[Leaf]:
        return [each for each in in_order(self.leaves_.values()) if each.place[0] in numbers]


class Host(Held):
    """Answers `repair.Host`."""

    def statement(self) -> Document:
        self.asked.append("statement")
        found = self.tallied()
        moment = "2026-11-24T08:00:00Z"
        return replica.state(NODE, SPACE, self.rev_, found, replica.WHOLE, {}, KEY, moment).document

    def buckets(self, as_of: int) -> Sequence[bytes]:
        self.asked.append("buckets")
        return self.tallied().hashes

    def leaves(self, as_of: int, numbers: Sequence[int]) -> Iterable[Leaf]:
        self.asked.append("leaves")
        return self.of(numbers)

    def after(self, rev: int) -> Iterable[bytes]:
        self.asked.append("after")
        return [f"after {rev}".encode()]

    def announces(self, revs: Sequence[int]) -> Iterable[bytes]:
        self.asked.append("announces")
        return [f"{rev}".encode() for rev in revs]


class Copy(Held):
    """Answers `repair.Copy`; what it takes, it takes from `source`."""

    source: Host
    agreed: Statement | None = None
    disagreed: Statement | None = None
    aside: list[Difference]
    most = 0
    looked_at = 0

    def read(self, statement: Document) -> Statement:
        return replica.read(statement, [KEY.public])

    def rev(self) -> int:
        return self.rev_

    def tally(self, as_of: int, view: View) -> Tally:
        return replica.tally(in_order(view.of(self.leaves_.values())))

    def leaves(self, as_of: int, view: View, numbers: Sequence[int]) -> Iterable[Leaf]:
        found = self.of(numbers)
        self.most = max(self.most, len(found))
        self.looked_at += len(found)
        return found

    def named(self, as_of: int, view: View, ids: Sequence[str]) -> Iterable[Leaf]:
        self.looked_at += len(ids)
        return in_order(self.leaves_[name] for name in ids if name in self.leaves_)

    def take(self, lines: Iterable[bytes], wanted: Mapping[str, Wanted]) -> int:
        for _ in lines:
            if not wanted:
                self.rev_ += 1
        for name in wanted:
            self.leaves_[name] = self.source.leaves_[name]
        return len(wanted) or 1

    def withhold(self, known: Iterable[Leaf], over: Iterable[Leaf]) -> None:
        for each in over:
            self.leaves_.pop(each.id)
        self.leaves_.update({each.id: each for each in known})

    def set_aside(self, found: Sequence[Difference]) -> None:
        self.aside = [*getattr(self, "aside", []), *found]
        for each in found:
            if each.kind == "surplus" and each.ours is not None:
                self.leaves_.pop(each.ours.id)

    def agree(self, theirs: Statement, tally: Tally) -> None:
        self.agreed = theirs

    def disagree(self, theirs: Statement, tally: Tally) -> None:
        self.disagreed = theirs


def nothing(lines: Iterable[bytes], wanted: Mapping[str, Wanted]) -> int:
    """Nothing of it has an effect."""
    return 0


def two(theirs: dict[str, Leaf], ours: dict[str, Leaf], **members: Any) -> tuple[Host, Copy]:
    host, copy = Host(dict(theirs)), Copy(dict(ours), **members)
    copy.source = host
    return host, copy


def test_equal_copies_of_any_size_cost_one_request() -> None:
    leaves = some(*range(20_000))
    host, copy = two(leaves, leaves)

    report = repair.run(host, copy)

    assert report.equal
    assert host.asked == ["statement"]
    assert copy.agreed is not None


def test_a_hundred_of_many_are_fetched_in_few_requests_a_portion_at_a_time() -> None:
    leaves = some(*range(20_000))
    lost = list(leaves)[::200]
    host, copy = two(leaves, {name: each for name, each in leaves.items() if name not in lost})

    report = repair.run(host, copy)

    assert (report.equal, report.repaired) == (True, 100)
    assert len(host.asked) <= 10
    assert copy.most < 2 * 8000
    assert copy.looked_at <= len(leaves) + 100  # what differs once, and then the hundred alone


def test_a_later_rev_of_the_host_wins_and_a_later_one_of_ours_stays() -> None:
    ours = {**some(1, 2), leaf(3).id: leaf(3, 8, "newer")}
    theirs = {leaf(1).id: leaf(1, 5, "edited"), **some(2, 3)}
    host, copy = two(theirs, ours)

    report = repair.run(host, copy)

    assert copy.leaves_[leaf(1).id].rev == 5
    assert copy.leaves_[leaf(3).id].rev == 8
    assert not report.equal
    assert {each.kind for each in report.differences} == {"newer"}
    assert copy.disagreed is not None


def test_what_only_we_have_is_set_aside() -> None:
    host, copy = two(some(1), some(1, 2))

    report = repair.run(host, copy)

    assert report.equal
    assert [(each.kind, each.theirs) for each in report.aside] == [("surplus", None)]
    assert [each.kind for each in copy.aside] == ["surplus"]


def test_what_is_withheld_is_remembered_and_forgotten() -> None:
    withheld = Leaf(leaf(2).id, 4, "withheld", "")
    host, copy = two({**some(1), withheld.id: withheld}, some(1))

    assert repair.run(host, copy).equal
    assert copy.leaves_[withheld.id] == withheld
    host.leaves_ = some(1)
    assert repair.run(host, copy).equal
    assert withheld.id not in copy.leaves_


def test_what_has_not_come_is_read_first() -> None:
    host, copy = two(some(1), some(1), rev_=7)

    report = repair.run(host, copy)

    assert (report.equal, report.behind) == (True, 2)
    assert host.asked == ["statement", "after", "after"]


def test_a_hole_that_nothing_fills_does_not_hold_the_run() -> None:
    host, copy = two(some(1), some(1), rev_=7)
    copy.take = nothing  # type: ignore[method-assign]

    assert repair.run(host, copy).equal


def test_a_host_that_says_less_than_it_announced_changes_nothing() -> None:
    host, copy = two(some(1), some(1, 2), rev_=12)

    report = repair.run(host, copy)

    assert (report.equal, report.rolled_back) == (False, True)
    assert copy.leaves_.keys() == some(1, 2).keys()
    assert copy.disagreed is not None


def test_a_space_that_goes_on_meanwhile_is_asked_again() -> None:
    host, copy = two(some(1), some(1), rev_=10)
    said = host.statement

    def later() -> Document:
        document = said()
        host.rev_ = 10
        return document

    host.statement = later  # type: ignore[method-assign]

    assert repair.run(host, copy).equal


class OfOtherBuckets(Host):
    """Its bucket hashes are not those that it signed."""

    def buckets(self, as_of: int) -> Sequence[bytes]:
        return replica.tally(in_order(some(1, 2, 3).values())).hashes


class OfOtherLeaves(Host):
    """Its lists lack a leaf that it signed."""

    def leaves(self, as_of: int, numbers: Sequence[int]) -> Iterable[Leaf]:
        return self.of(numbers)[1:]


class OfMoreLeaves(Host):
    """Its lists hold leaves of buckets that nobody asked for."""

    def leaves(self, as_of: int, numbers: Sequence[int]) -> Iterable[Leaf]:
        others = [each for each in some(*range(300)).values() if each.place[0] not in numbers][:1]
        return in_order([*self.of(numbers), *others])


@pytest.mark.parametrize("liar", [OfOtherBuckets, OfOtherLeaves, OfMoreLeaves])
def test_refuses_what_does_not_lead_to_the_root_that_was_signed(liar: type[Host]) -> None:
    host = liar(some(1, 2))
    copy = Copy(some(1))
    copy.source = host

    with pytest.raises(DigestMismatch):
        repair.run(host, copy)
    assert copy.leaves_.keys() == some(1).keys()


def test_a_host_that_never_gives_what_it_lists_is_found() -> None:
    host, copy = two(some(1, 2), some(1))
    copy.take = nothing  # type: ignore[method-assign]

    report = repair.run(host, copy)

    assert not report.equal
    assert [(each.kind, each.ours) for each in report.differences] == [("missing", None)]


# -- what an Announce may do that is asked for


@dataclass
class Pair:
    """Two nodes with a space that the first keeps, in which the second has a member."""

    north: Node
    south: Node
    nora: str
    space: str

    def take(self, line: bytes, wanted: Mapping[str, Wanted] | None = None) -> bool:
        south = self.south
        with south.work() as work:
            relation = south.relation(self.north)
            return repair.take(line, relation, self.space, wanted or {}, work, south.settings)

    def announce(self, rev: int) -> bytes:
        kept = self.north.store.rows.activities.values()
        return next(each.raw for each in kept if each.type == "Announce" and each.rev == rev)

    @property
    def rev(self) -> int:
        return self.north.store.rows.spaces[self.space].space.rev


@pytest.fixture
def pair() -> Pair:
    clock = Clock()
    north, south = Node("north", clock), Node("south", clock)
    _invite, link = north.invite()
    south.accept_invite(link, north)
    north.confirm(south)
    south.confirm(north)
    north.offer(south)
    south.agree(north)
    nora = north.person("Nora")
    space = north.space("Bridge", nora)
    invite = north.share(space, south)
    south.accept_space(invite, north)
    north.write_roster(space, add=south)
    north.deliver(south)
    return Pair(north, south, nora, space)


def test_what_has_not_come_is_taken_as_from_the_stream(pair: Pair) -> None:
    pair.north.post(pair.nora, pair.space, "Seven o'clock.")

    assert pair.take(pair.announce(pair.rev))
    assert pair.south.texts(pair.space) == ["Seven o'clock."]
    pair.north.deliver(pair.south)
    assert pair.south.texts(pair.space) == ["Seven o'clock."]


def test_what_was_lost_is_applied_once_more_when_it_is_wanted(pair: Pair) -> None:
    post = pair.north.post(pair.nora, pair.space, "Seven o'clock.")
    pair.north.deliver(pair.south)
    del pair.south.store.rows.objects[post]
    line = pair.announce(pair.rev)

    assert not pair.take(line)
    assert not pair.take(line, {post: Wanted(pair.rev + 1, pair.rev + 2)})
    assert not pair.take(line, {post: Wanted(-1, pair.rev - 1)})
    assert pair.south.texts(pair.space) == []
    assert pair.take(line, {post: Wanted(-1, pair.rev)})
    assert pair.south.texts(pair.space) == ["Seven o'clock."]
    assert not pair.take(line, {post: Wanted(-1, pair.rev)})


def test_an_older_edit_does_not_come_back(pair: Pair) -> None:
    post = pair.north.post(pair.nora, pair.space, "One")
    for words in ("Two", "Three"):
        note = {**pair.north.note(pair.nora, pair.space, words), "id": post}
        pair.north.say(pair.nora, {"type": "Update", "object": note}, pair.space)
    pair.north.deliver(pair.south)

    assert not pair.take(pair.announce(pair.rev - 1), {post: Wanted(pair.rev, pair.rev)})
    assert pair.south.texts(pair.space) == ["Three"]


def test_refuses_what_the_author_did_not_sign(pair: Pair) -> None:
    pair.north.post(pair.nora, pair.space, "Seven o'clock.")
    line = pair.announce(pair.rev).replace(b"Seven", b"Eight")

    with pytest.raises(BadProof):
        pair.take(line)
    assert pair.south.texts(pair.space) == []


def test_refuses_what_is_no_announce_of_this_space(pair: Pair) -> None:
    other = pair.north.space("Other", pair.nora)
    pair.north.post(pair.nora, other, "Inside")
    kept = pair.north.store.rows.activities.values()
    inner = next(each.raw for each in kept if each.type == "Create" and each.audience == other)
    wrapped = next(each.raw for each in kept if each.type == "Announce" and each.actor == other)

    for line in (inner, wrapped):
        with pytest.raises(OutOfScope):
            pair.take(line)


def test_refuses_another_announce_of_a_rev_that_was_taken(pair: Pair) -> None:
    pair.north.post(pair.nora, pair.space, "Seven o'clock.")
    pair.north.deliver(pair.south)
    row = pair.north.store.rows.spaces[pair.space]
    row.space = replace(row.space, rev=row.space.rev - 1)
    pair.north.post(pair.nora, pair.space, "Eight o'clock.")
    line = [
        each.raw
        for each in pair.north.store.rows.activities.values()
        if each.type == "Announce" and each.rev == pair.rev
    ][-1]

    with pytest.raises(ReplayedMessage):
        pair.take(line)


def test_refuses_bytes_that_are_too_many(pair: Pair) -> None:
    with pytest.raises(RemoteError):
        pair.take(b" " * 600_000)
