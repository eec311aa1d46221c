"""The two sides of a comparison of copies, over nodes in memory.

Rule: leaves are made of what readers see, each time anew. Of members the store keeps no rev: they count as of rev 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from federation import repair, replica
from federation.activity import Activity, Document
from federation.digest import object_digest
from federation.errors import RemoteError
from federation.repair import Difference, Wanted
from federation.replica import Leaf, Statement, Tally, View
from tests.federation.world import Node


def leaves_of(node: Node, space: str) -> list[Leaf]:
    """What a node holds of a space, in the order of SHA-256(id)."""
    return sorted(_leaves(node, space), key=lambda leaf: leaf.place)


def _leaves(node: Node, space: str) -> Iterator[Leaf]:
    for iri, row in node.store.rows.objects.items():
        if row.stored.audience != space or row.rev is None:
            continue
        if row.document is None:
            yield Leaf(iri, row.rev, "tombstone", replica.GONE, row.rev)
        else:
            yield Leaf(iri, row.rev, "live", object_digest(row.document), row.rev)
    for actor, role in node.store.rows.spaces[space].members.items():
        yield Leaf(actor, 0, "member", replica.member_digest(actor, role.value))


def state(node: Node, space: str, as_of: int, counterpart: Document | None = None) -> Statement:
    """What a node signs of its copy."""
    found = replica.tally(leaves_of(node, space))
    moment = node.clock.moment
    return replica.state(node.iri, space, as_of, found, replica.WHOLE, {}, node.key, moment, counterpart)


@dataclass
class Host:
    """Answers `repair.Host` for the node that orders the space."""

    node: Node
    space: str

    def statement(self) -> Document:
        return state(self.node, self.space, self.node.store.rows.spaces[self.space].space.rev).document

    def buckets(self, as_of: int) -> Sequence[bytes]:
        return replica.buckets(leaves_of(self.node, self.space))

    def leaves(self, as_of: int, numbers: Sequence[int]) -> Iterable[Leaf]:
        return [each for each in leaves_of(self.node, self.space) if each.place[0] in numbers]

    def after(self, rev: int) -> Iterable[bytes]:
        return [each.raw for each in self._said() if (each.rev or 0) > rev]

    def announces(self, revs: Sequence[int]) -> Iterable[bytes]:
        asked = [each for each in self._said() if each.rev in revs]
        edited = {str((each.object or {})["object"]["id"]) for each in asked if _is_edit(each)}
        begun = [
            each
            for each in self._said()
            if _verb(each) == "Create" and (each.object or {})["object"]["id"] in edited and each not in asked
        ]
        return [each.raw for each in sorted([*begun, *asked], key=lambda each: each.rev or 0)]

    def _said(self) -> list[Activity]:
        kept = self.node.store.rows.activities.values()
        said = [each for each in kept if each.type == "Announce" and each.rev and each.actor == self.space]
        return sorted(said, key=lambda each: each.rev or 0)


def _verb(announce: Activity) -> str:
    return str((announce.object or {}).get("type"))


def _is_edit(announce: Activity) -> bool:
    spoken = (announce.object or {}).get("object")
    return _verb(announce) == "Update" and isinstance(spoken, dict) and spoken.get("type") != "Roster"


@dataclass
class Copy:
    """Answers `repair.Copy` for a member node."""

    node: Node
    host: Node
    space: str
    proof: Statement | None = None
    aside: list[Difference] = field(default_factory=list)
    refused: list[RemoteError] = field(default_factory=list)

    def read(self, statement: Document) -> Statement:
        return replica.read(statement, self.node.relation(self.host).keys)

    def rev(self) -> int:
        row = self.node.store.rows.spaces[self.space]
        return min(row.missing) - 1 if row.missing else row.space.rev

    def tally(self, as_of: int, view: View) -> Tally:
        return replica.tally(self.leaves(as_of, view, range(replica.BUCKETS)))

    def leaves(self, as_of: int, view: View, numbers: Sequence[int]) -> Iterable[Leaf]:
        here = [each for each in leaves_of(self.node, self.space) if each.place[0] in numbers]
        return list(view.of(each for each in here if each.rev <= as_of))

    def named(self, as_of: int, view: View, ids: Sequence[str]) -> Iterable[Leaf]:
        return [each for each in self.leaves(as_of, view, range(replica.BUCKETS)) if each.id in ids]

    def take(self, lines: Iterable[bytes], wanted: Mapping[str, Wanted]) -> int:
        taken = 0
        for line in lines:
            try:
                with self.node.work() as work:
                    relation = self.node.relation(self.host)
                    taken += repair.take(line, relation, self.space, wanted, work, self.node.settings)
            except RemoteError as error:
                self.refused.append(error)
        return taken

    def withhold(self, known: Iterable[Leaf], over: Iterable[Leaf]) -> None:
        """The charter of these nodes lets everything pass."""

    def set_aside(self, found: Sequence[Difference]) -> None:
        self.aside += found

    def agree(self, theirs: Statement, tally: Tally) -> None:
        self.proof = state(self.node, self.space, theirs.as_of, theirs.document)

    def disagree(self, theirs: Statement, tally: Tally) -> None:
        """The report says it."""
