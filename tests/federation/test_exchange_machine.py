"""Three organisations, one space, and a wire that loses, repeats and tears: in the end all hold the same.

What is drawn are the acts of people, what happens to requests and answers, and older backups that run again.
Invariant: once everything was delivered, each replica has the same objects at the same rev with the same content, the
same members and the same likes, both sides sign the same root of it, and the copy of each log equals it entry for
entry.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from federation import delivery, ending, exchange, limits, offers, recall, recovery, repair, signatures
from federation.adapters.memory import Rows
from federation.digest import object_digest
from federation.errors import RemoteError
from federation.http import Headers, Request, Response
from federation.ports import Mode, Recall
from tests.federation.copies import Copy, Host
from tests.federation.world import Node, Worlds, three_nodes

_world = three_nodes()
for _node, _person in ((_world.north, _world.anna), (_world.south, _world.sven), (_world.east, _world.elsa)):
    _node.post(_person, _world.space, f"of {_node.name}")
_world.settle()
_restore = _world.snapshot()

WAYS = ("south-north", "east-north", "north-south", "north-east")
BEFORE_COMMIT = ("inbox.chain-verified", "inbox.line-taken", "inbox.recorded")
AFTER_COMMIT = "inbox.committed"


class Torn(Exception):
    """The process dies before the commit."""


class Exchange(RuleBasedStateMachine):
    """People talk, and the wire does what it wants."""

    def __init__(self) -> None:
        super().__init__()
        _restore()
        self.world: Worlds = _world
        self.sent: dict[str, list[Request]] = {way: [] for way in WAYS}
        self.backups: dict[str, Rows] = {}
        self.again: frozenset[str] = frozenset()

    # -- people

    def _node(self, name: str) -> Node:
        node: Node = getattr(self.world, name)
        return node

    def _person(self, name: str) -> str:
        return {"north": self.world.anna, "south": self.world.sven, "east": self.world.elsa}[name]

    def _say(self, name: str, document: dict[str, Any]) -> None:
        """Say it, unless it may not be said (any more): then nothing happens."""
        node = self._node(name)
        before = node.store.rows
        try:
            node.say(self._person(name), document, self.world.space)
        except RemoteError:
            assert node.store.rows == before

    def _objects(self, name: str) -> list[str]:
        rows = self._node(name).store.rows.objects
        return [iri for iri, row in rows.items() if row.document is not None]

    @rule(
        acts=st.lists(
            st.tuples(
                st.sampled_from(["north", "south", "east"]),
                st.sampled_from(
                    [
                        "post",
                        "post",
                        "reply",
                        "Like",
                        "Undo",
                        "Update",
                        "Delete",
                        "recall",
                        "Join",
                        "Leave",
                        "Add",
                        "Remove",
                    ]
                ),
                st.integers(0, 5),
                st.text("xyz", max_size=3),
            ),
            min_size=1,
            max_size=5,
        )
    )
    def people(self, acts: list[tuple[str, str, int, str]]) -> None:
        for name, act, which, text in acts:
            if act in {"post", "reply"}:
                self._post(name, text, which if act == "reply" else None)
            elif act in {"Join", "Leave"}:
                self._come_and_go(name, act)
            elif act in {"Add", "Remove"}:
                self._change_members(name, act)
            else:
                self._touch(name, act, which, text)

    def _post(self, name: str, text: str, parent: int | None) -> None:
        known = self._objects(name)
        answering = {"inReplyTo": known[parent % len(known)]} if known and parent is not None else {}
        note = self._node(name).note(self._person(name), self.world.space, text, **answering)
        self._say(name, {"type": "Create", "object": note})

    def _touch(self, name: str, verb: str, which: int, text: str) -> None:
        """Of one's own or of another's, known here or not yet placed."""
        known, person = self._objects(name), self._person(name)
        if not known:
            return
        iri = known[which % len(known)]
        note = self._node(name).note(person, self.world.space, text)
        if verb == "recall":
            asked = Recall(Mode.ERASE, "wrong-recipient", self.world.clock.moment, ("attachments",), None)
            self._say(name, {"type": "Delete", "object": iri, **recall.document(asked)})
            return
        objects: dict[str, Any] = {
            "Like": iri,
            "Delete": iri,
            "Undo": {"type": "Like", "actor": person, "object": iri},
            "Update": {**note, "id": iri},
        }
        self._say(name, {"type": verb, "object": objects[verb]})

    def _come_and_go(self, name: str, verb: str) -> None:
        if name != "north":
            self._say(name, {"type": verb, "object": self.world.space})

    def _change_members(self, name: str, verb: str) -> None:
        if name != "north":
            target = {"object": self._person(name), "target": f"{self.world.space}/members"}
            self._say("north", {"type": verb, **target})

    # -- the wire

    def _ends(self, way: str) -> tuple[Node, Node]:
        one, other = way.split("-")
        return self._node(one), self._node(other)

    def _attempt(self, way: str, lines: int) -> tuple[delivery.Parcel, Response]:
        one, other = self._ends(way)
        parcel = one.parcel(other, lines)
        self.sent[way].append(parcel.request)
        return parcel, other.federation.receive_batch(parcel.request)

    def _settle(self, way: str, parcel: delivery.Parcel, response: Response) -> None:
        one, _ = self._ends(way)
        with one.work() as work:
            verdict = delivery.settle(parcel, response, work, one.settings)
        assert isinstance(verdict, delivery.Delivered), verdict

    @rule(
        events=st.lists(
            st.tuples(
                st.sampled_from(WAYS),
                st.sampled_from(
                    [
                        "deliver",
                        "deliver",
                        "lose answer",
                        "lose request",
                        "repeat",
                        *BEFORE_COMMIT,
                        AFTER_COMMIT,
                    ]
                ),
                st.sampled_from([0, 1, 2, 5, 50]),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def wire(self, events: list[tuple[str, str, int]]) -> None:
        for way, event, lines in events:
            if event == "deliver":
                self._settle(way, *self._attempt(way, lines))
            elif event == "lose answer":
                self._attempt(way, lines)
            elif event == "lose request":
                one, other = self._ends(way)
                self.sent[way].append(one.parcel(other, lines).request)
            elif event == "repeat":
                self._repeat(way, lines)
            else:
                self._die(way, event, lines)

    def _repeat(self, way: str, which: int) -> None:
        """Somebody on the way sends old bytes again: refused, or what was lost arrives late."""
        if self.sent[way]:
            _, other = self._ends(way)
            before = other.store.rows
            again = other.federation.receive_batch(self.sent[way][-1 - which % len(self.sent[way])])
            assert again.status in {200, 401, 409}
            if again.status != 200:
                assert other.store.rows.taken == before.taken
                assert other.store.rows.objects == before.objects

    def _die(self, way: str, point: str, lines: int) -> None:
        """The process of the receiver dies at a failpoint; what was not committed was never there."""
        one, other = self._ends(way)

        def failpoint(name: str) -> None:
            if name == point:
                raise Torn

        federation = type(other.federation)(other.settings, other.store.open_work, failpoint)
        parcel, before = one.parcel(other, lines), other.store.rows
        with contextlib.suppress(Torn):
            federation.receive_batch(parcel.request)
            return
        assert point == AFTER_COMMIT or other.store.rows == before

    @rule(name=st.sampled_from(["north", "south", "east"]))
    def die_while_speaking(self, name: str) -> None:
        node = self._node(name)
        before = node.store.rows
        note = node.note(self._person(name), self.world.space, "never said")
        with contextlib.suppress(RemoteError, Torn), node.work() as work:
            said = {"type": "Create", "object": note, "audience": self.world.space}
            node.federation.publish(said, self._person(name), work)
            raise Torn
        assert node.store.rows == before

    # -- between the organisations

    @rule(name=st.sampled_from(["south", "east"]), by_host=st.booleans(), text=st.text("xyz", max_size=3))
    def pause(self, name: str, by_host: bool, text: str) -> None:
        """Suspended, nothing passes; what was said before waits, and nothing is lost when it is resumed."""
        member, host = self._node(name), self.world.north
        one, other = (host, member) if by_host else (member, host)
        self._tell(
            one, other, lambda work: ending.suspension(one.relation(other), "IR-7", "en", work, one.settings)
        )
        taken = {node.name: node.store.rows.taken for node in (one, other)}
        self._post("north", text, None)
        for sender, receiver in ((one, other), (other, one)):
            assert isinstance(sender.deliver(receiver), delivery.Refused)
        assert taken == {node.name: node.store.rows.taken for node in (one, other)}
        self._tell(one, other, lambda work: ending.resumption(one.relation(other), work, one.settings))

    @rule(name=st.sampled_from(["south", "east"]))
    def next_version(self, name: str) -> None:
        """Another version of the agreement, while posts wait under the present one."""
        member, host = self._node(name), self.world.north
        relation = host.relation(member)
        present = relation.agreement or {}
        following = {
            **present,
            "version": present["version"] + 1,
            "previousVersion": relation.agreement_digest,
        }
        assert host.offer(member, following).status == 202
        with member.work() as work:
            accept = offers.acceptance(member.relation(host), work, member.settings, ["Board"])
            work.agreements.accepted(member.relation(host), accept)
        assert member.inbox(accept, host).status == 202
        with member.work() as work:
            offers.conclude(member.relation(host), accept, work)
        for each in (name, "north"):  # an older version of the agreement is no backup to go on from
            self.backups.pop(each, None)

    def _tell(self, one: Node, other: Node, say: Any) -> None:
        with one.work() as work:
            said = say(work)
        assert one.inbox(said, other).status == 202

    @rule(seconds=st.integers(1, 200))
    def wait(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    # -- older backups

    @rule(name=st.sampled_from(["north", "south", "east"]))
    def back_up(self, name: str) -> None:
        self.backups[name] = self._node(name).store.rows.copy()

    @rule(
        name=st.sampled_from(["north", "south", "east"]),
        at_once=st.sampled_from([1, 3, 200]),
        torn=st.sampled_from([None, None, 0, 1, 2]),
        said=st.booleans(),
    )
    def restore(self, name: str, at_once: int, torn: int | None, *, said: bool) -> None:
        """An older backup runs again, perhaps goes down once more while it gets back what it lacks, or speaks first."""
        if name not in self.backups:
            return
        node = self._node(name)
        node.store.rows = self.backups[name].copy()
        self.again = frozenset({"duplicate"})  # one partner gives back what another one says once more
        if (
            said and name != "north"
        ):  # what a host says before it has its order back gets a place that is taken
            self._post(name, "said meanwhile", None)
        if torn is not None:
            with contextlib.suppress(Torn):
                self._recover(node, at_once, torn)
        self._recover(node, at_once, None)

    def _recover(self, node: Node, at_once: int, commits: int | None) -> None:
        """As a node starts: all that is ours back from all partners, then theirs. Dies after so many commits."""
        partners = [self._ends(way)[1] for way in WAYS if way.startswith(f"{node.name}-")]
        left = iter(range(commits)) if commits is not None else None
        for own in (True, False):
            for partner in partners:
                if not own or self._is_behind(node, partner):
                    self._read_on(node, partner, at_once, own=own, left=left)

    def _is_behind(self, node: Node, partner: Node) -> bool:
        with node.work() as work:
            parcel = delivery.hello(node.relation(partner), work, node.settings)
        response = partner.federation.receive_batch(parcel.request)
        with node.work() as work:
            verdict = delivery.settle(parcel, response, work, node.settings)
        return isinstance(verdict, delivery.Behind)

    def _read_on(
        self, node: Node, partner: Node, at_once: int, *, own: bool, left: Iterator[int] | None
    ) -> None:
        relation = node.relation(partner)
        take = recovery.restore if own else recovery.catch_up
        with node.work() as work:
            first = work.log.acknowledged(relation) + 1 if own else work.streams.head(relation).seq + 1
        while True:
            batch = self._shown(
                node, partner, relation.stream_out if own else relation.stream_in, first, at_once
            )
            if not batch.entries:
                return
            if left is not None and next(left, None) is None:
                raise Torn
            with node.work() as work:
                take(batch, node.relation(partner), work, node.settings)
            first = batch.entries[-1].seq + 1

    def _shown(self, node: Node, partner: Node, stream: str, first: int, lines: int) -> exchange.Batch:
        """A part of a log, as the partner shows it to who asks."""
        unsigned = Request("GET", f"{partner.settings.origin}/log?from={first}", Headers(()))
        created, nonce = int(self.world.clock.now.timestamp()), secrets.token_urlsafe(16)
        asked = signatures.sign_request(unsigned, node.key, created=created, nonce=nonce)
        answer = partner.federation.read_log(asked, stream, first, first + lines - 1)
        field = exchange.read_field(answer.headers.get("exchange-log"))
        return exchange.read(field, answer.body, limits.MAX_BATCH_LINES)

    # -- what holds

    @invariant()
    def no_copy_runs_ahead_of_its_log(self) -> None:
        for way in WAYS:
            one, other = self._ends(way)
            log = one.store.rows.out[other.iri]
            copy = [entry for entry, _ in other.store.rows.taken.get(one.iri, [])]
            assert copy == log[: len(copy)]
            assert one.store.rows.acknowledged.get(other.iri, 0) <= len(copy)

    @rule()
    def settle(self) -> None:
        """Everything arrives."""
        self._all_arrives()
        self._all_is_equal()

    def teardown(self) -> None:
        self._all_arrives()
        self._copies_are_equal()
        self._all_is_equal()

    def _all_arrives(self) -> None:
        while waiting := [way for way in WAYS if self._waits(way)]:
            for way in waiting:
                self._settle(way, *self._attempt(way, 7))

    def _waits(self, way: str) -> bool:
        one, other = self._ends(way)
        return one.store.rows.acknowledged.get(other.iri, 0) < len(one.store.rows.out[other.iri])

    def _all_is_equal(self) -> None:
        for way in WAYS:
            one, other = self._ends(way)
            taken = other.store.rows.taken.get(one.iri, [])
            assert [entry for entry, _ in taken] == one.store.rows.out[other.iri]
            assert {outcome.outcome for _, outcome in taken} <= {"processed", "rejected", *self.again}
            said = one.store.rows.activities  # what was erased since went out empty
            done = [
                entry for entry, outcome in taken if outcome.outcome == "processed" and entry.activity in said
            ]
            assert all(other.store.rows.seen[entry.activity] == entry.content_digest for entry in done)
        for member in (self.world.south, self.world.east):
            told = member.store.rows.taken[self.world.north.iri]
            assert {outcome.outcome for _, outcome in told} <= {"processed", *self.again}
        for node in self.world.nodes():
            waiting = [row for row in node.store.rows.objects.values() if row.rev is None]
            assert all(row.refused is not None for row in waiting)
        held = [self._held(node) for node in self.world.nodes()]
        assert held[0] == held[1] == held[2]
        announced = {each.rev for each in self.world.north.store.rows.activities.values()}
        for node in self.world.nodes():  # what was erased before it left has no place that anybody could tell
            assert not node.store.rows.spaces[self.world.space].missing & announced

    def _copies_are_equal(self) -> None:
        """Compared with the host's as at night: both sides sign the same root, and nothing was to be mended."""
        for member in (self.world.south, self.world.east):
            copy = Copy(member, self.world.north, self.world.space)
            report = repair.run(Host(self.world.north, self.world.space), copy)
            assert report.equal, (report, copy.refused)
            assert (report.repaired, report.behind, copy.aside) == (0, 0, []), report

    def _held(self, node: Node) -> tuple[Any, ...]:
        row = node.store.rows.spaces[self.world.space]
        objects = {
            iri: (each.rev, each.document and (object_digest(each.document), frozenset(each.likes)))
            for iri, each in node.store.rows.objects.items()
            if each.rev is not None
        }
        return objects, row.members, row.space.rev, row.roster


PERMUTATIONS = os.environ.get("PARVIS_PERMUTATIONS")
# Whatever lies on disk from another run is not a test. `make faults` draws anew each time; else always the same.
Exchange.TestCase.settings = settings(
    max_examples=int(PERMUTATIONS or "60"),
    derandomize=PERMUTATIONS is None,
    stateful_step_count=15,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestExchange = Exchange.TestCase


def test_an_author_who_was_taken_out_takes_back_what_he_said() -> None:
    machine = Exchange()
    machine.people([("south", "recall", 0, ""), ("south", "Remove", 0, "")])
    machine.teardown()


def test_what_one_partner_alone_was_told_comes_to_the_other_after_a_restore() -> None:
    machine = Exchange()
    machine.back_up("north")
    machine.people([("south", "post", 0, "x"), ("north", "post", 0, "y")])
    machine.wire([("south-north", "deliver", 50), ("north-east", "deliver", 50)])
    machine.restore("north", 200, None, said=False)
    machine.teardown()


def test_a_guest_whose_refused_words_came_back_empty_goes_on() -> None:
    machine = Exchange()
    machine.back_up("south")
    machine.people([("south", "Remove", 0, ""), ("south", "post", 0, "x")])
    machine.wire([("south-north", "deliver", 50)])
    machine.restore("south", 200, None, said=False)
    machine.teardown()
