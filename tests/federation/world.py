"""Nodes in memory that really talk: each with its own host, keys and logs; a wire that one can listen to."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from federation import charter, delivery, documents, handshake, offers, outbox, roster, signatures
from federation.activity import ACTOR_CONTEXT, CONTEXT, Activity, Document
from federation.adapters.memory import MemoryWork, SpaceRow, Store
from federation.http import Headers, Request, Response
from federation.keys import SigningKey
from federation.ports import Invite, MemberNode, Relation, Role, Space, State
from federation.proofs import sign
from federation.service import Federation
from federation.settings import Settings

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@dataclass
class Clock:
    """Time that moves when told to."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @property
    def moment(self) -> str:
        return f"{self.now:%Y-%m-%dT%H:%M:%SZ}"


def actor_document(
    iri: str, kind: str, name: str, username: str, public_multibase: str, node: str, organisation: str
) -> Document:
    """The document of a person or a space, still without proof; no mail address, ever (SECURITY C10)."""
    document: Document = {
        "@context": list(ACTOR_CONTEXT),
        "id": iri,
        "type": kind,
        "name": name,
        "preferredUsername": username,
        "inbox": f"{iri}/inbox",
        "outbox": f"{iri}/outbox",
        "assertionMethod": [
            {
                "id": f"{iri}#ed25519",
                "type": "Multikey",
                "controller": iri,
                "publicKeyMultibase": public_multibase,
            }
        ],
    }
    if kind == "Person":
        document["org"] = {"id": node, "name": organisation}
    return document


@dataclass
class Node:
    """One organisation, with what its admin and its people do."""

    name: str
    clock: Clock
    store: Store = field(init=False)
    settings: Settings = field(init=False)
    federation: Federation = field(init=False)
    key: SigningKey = field(init=False)

    def __post_init__(self) -> None:
        origin = f"https://{self.name}.example"
        self.settings = Settings(node=f"{origin}/actor", origin=origin, name=self.name.title())
        self.store = Store(self.settings.node, clock=self.clock)
        self.key = SigningKey.generate(f"{self.settings.node}#ed25519")
        self.store.signers[self.settings.node] = self.key
        self.federation = Federation(self.settings, self.store.open_work)

    @property
    def iri(self) -> str:
        return self.settings.node

    @contextmanager
    def work(self) -> Iterator[MemoryWork]:
        with self.store.open_work() as work:
            yield work

    def relation(self, other: Node) -> Relation:
        return self.store.rows.relations[other.iri]

    def actor(self, kind: str, name: str, path: str) -> str:
        """A new actor of ours, with key and introduced document."""
        iri = f"{self.settings.origin}/{path}/{secrets.token_urlsafe(16)}"
        key = SigningKey.generate(f"{iri}#ed25519")
        document = actor_document(
            iri, kind, name, name.lower(), key.public.multibase, self.iri, self.settings.name
        )
        self.store.signers[iri] = key
        self.store.rows.documents[iri] = sign(document, self.key, self.clock.moment)
        self.store.rows.keys[key.key_id] = key.public
        return iri

    def person(self, name: str) -> str:
        return self.actor("Person", name, "people")

    # -- peering

    def invite(self, **members: Any) -> tuple[Invite, str]:
        iri = f"{self.settings.origin}/peering/invites/{secrets.token_hex(4)}"
        expires = f"{self.clock.now + timedelta(hours=72):%Y-%m-%dT%H:%M:%SZ}"
        invite = Invite(iri, secrets.token_bytes(32), expires, used=False, failures=0, expected_host=None)
        self.store.rows.invites[iri] = invite
        return invite, handshake.link(invite, self.key.public)

    def inbox(self, activity: Activity, to: Node) -> Response:
        """Post one activity to the node inbox of another, signed by our node."""
        unsigned = Request(
            "POST", f"{to.iri}/inbox", Headers((("Content-Type", "application/activity+json"),)), activity.raw
        )
        created = int(self.clock.now.timestamp())
        signed = signatures.sign_request(unsigned, self.key, created=created, nonce=secrets.token_urlsafe(16))
        return to.federation.receive_single(signed)

    def accept_invite(self, link: str, of: Node) -> Response:
        from federation.authorship import write

        read = handshake.read_link(link)
        with self.work() as work:
            document = handshake.acceptance(read, of.iri, self.key.public, self.settings)
            said = write(document, self.iri, work, self.settings)
            work.handshakes.introduce(of.iri, of.key.public, read.invite)
        return self.inbox(said, of)

    def confirm(self, other: Node) -> None:
        with self.work() as work:
            work.handshakes.confirmed_here(self.relation(other))
            said = handshake.confirmation(self.relation(other), work, self.settings)
        assert self.inbox(said, other).status == 202

    def draft(self, other: Node) -> Document:
        origin = self.settings.origin
        return charter.draft(
            f"{origin}/peering/agreements/{secrets.token_hex(4)}",
            self.party("host", other),
            other.party("partner", self),
            self.clock.now,
        )

    def party(self, role: str, other: Node) -> charter.Party:
        return charter.Party(
            node=self.iri,
            legal_name=self.settings.name,
            role=role,
            domains=(),
            issuer=self.settings.origin,
            keys=(self.key.public.multibase,),
            stream=f"{self.settings.origin}/streams/{other.name}",
            contact=f"mailto:extranet@{self.name}.example",
        )

    def offer(self, other: Node, agreement: Document | None = None) -> Response:
        ends = f"{self.clock.now + timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}"
        with self.work() as work:
            said = offers.offer(
                self.relation(other), agreement or self.draft(other), ends, work, self.settings
            )
        return self.inbox(said, other)

    def agree(self, other: Node) -> None:
        with self.work() as work:
            relation = work.peers.of_node(other.iri)
            assert relation is not None
            said = offers.acceptance(relation, work, self.settings)
            relation = work.agreements.in_force(relation, said)
            from federation.exchange import append

            append(relation, said, work)
        self.deliver(other)

    # -- spaces

    def space(self, name: str, *managers: str) -> str:
        iri = self.actor("Group", name, "spaces")
        self.store.rows.spaces[iri] = SpaceRow(
            Space(iri, self.iri, hosted=True, rev=0, first_rev=0, roster_version=0, active=True),
            members=dict.fromkeys(managers, Role.MANAGER),
            nodes=[self.member_node("host")],
        )
        self.write_roster(iri)
        return iri

    def member_node(self, role: str) -> MemberNode:
        return MemberNode(self.iri, self.settings.name, self.key.public.multibase, role, self.clock.moment)

    def write_roster(self, space: str, *, add: Node | None = None, remove: Node | None = None) -> None:
        row = self.store.rows.spaces[space]
        nodes = [each for each in row.nodes if remove is None or each.node != remove.iri]
        if add is not None:
            nodes.append(add.member_node("member"))
        kept = {
            actor for actor in row.members if remove is None or not actor.startswith(remove.settings.origin)
        }
        members = [roster.Member(actor, role) for actor, role in row.members.items() if actor in kept]
        written = roster.write(
            space,
            row.space.roster_version + 1,
            row.roster,
            nodes,
            members,
            self.key,
            self.clock.moment,
            roster.former_after(row.former, row.nodes, nodes, row.space.rev + 1),
        )
        self.say(space, {"type": "Update", "object": written.document}, space)

    def share(self, space: str, other: Node) -> str:
        document = self.store.rows.documents[space]
        with self.work() as work:
            said = outbox.tell(
                self.relation(other),
                {"type": "Invite", "target": other.iri, "object": document},
                space,
                work,
                self.settings,
            )
            work.rows.invitations[said.id] = (space, other.iri, None)
        self.deliver(other)
        return said.id

    def accept_space(self, invite: str, host: Node) -> None:
        with self.work() as work:
            work.rows.spaces[work.rows.invitations[invite][0]].welcome = True
            outbox.tell(
                self.relation(host),
                {"type": "Accept", "object": {"id": invite, "type": "Invite"}},
                self.iri,
                work,
                self.settings,
            )
        self.deliver(host)

    # -- talk

    def say(self, actor: str, document: Document, space: str) -> Activity:
        with self.work() as work:
            return self.federation.publish({"audience": space, "to": [space], **document}, actor, work)

    def post(self, author: str, space: str, text: str, **members: Any) -> str:
        note = self.note(author, space, text, **members)
        self.say(author, {"type": "Create", "object": note}, space)
        return str(note["id"])

    def note(self, author: str, space: str, text: str, **members: Any) -> Document:
        return {
            "id": f"{self.settings.origin}/o/{secrets.token_urlsafe(16)}",
            "type": "Note",
            "attributedTo": author,
            "audience": space,
            "context": f"{space}/threads/1",
            "content": f"<p>{text}</p>",
            "published": self.clock.moment,
            **members,
        }

    def texts(self, space: str) -> list[str]:
        """What a reader sees, in the order of the space."""
        rows = self.store.rows.objects.values()
        seen = [row for row in rows if row.stored.audience == space and row.rev and row.document]
        return [
            row.document["content"][3:-4]
            for row in sorted(seen, key=lambda row: row.rev or 0)
            if row.document
        ]

    # -- delivery

    def parcel(self, other: Node, lines: int = 50) -> delivery.Parcel:
        with self.work() as work:
            return delivery.prepare(self.relation(other), work, self.settings, lines)

    def deliver(self, other: Node, lines: int = 50) -> delivery.Verdict:
        """Everything that waits, batch by batch."""
        while True:
            parcel = self.parcel(other, lines)
            response = other.federation.receive_batch(parcel.request)
            with self.work() as work:
                verdict = delivery.settle(parcel, response, work, self.settings)
            if not parcel.entries or not isinstance(verdict, delivery.Delivered):
                return verdict


def post_batch(sender: Node, receiver: Node, lines: list[bytes], **changes: Any) -> tuple[Response, Document]:
    """Send lines that no honest node would: entries are made for them as they are. Answers the receipt too."""
    from federation import exchange

    relation = sender.relation(receiver)
    head = receiver_head(sender, receiver)
    prev, entries = head[1], []
    for seq, line in enumerate(lines, head[0] + 1):
        read = changes.get("rows", {}).get(seq) or documents_of(line)
        entries.append(
            exchange.entry(
                relation.stream_out,
                seq,
                prev,
                read["id"],
                read["type"],
                changes.get("digest") or digest_of(line),
                sender.clock.moment,
            )
        )
        prev = entries[-1].entry_hash
    log = exchange.LogField(relation.stream_out, head[0] + 1, len(lines), head[1], relation.agreement_digest)
    unsigned = Request(
        "POST",
        f"{receiver.settings.origin}/exchange",
        Headers((("Content-Type", exchange.MEDIA_TYPE), ("Exchange-Log", str(log)))),
        exchange.write(entries, lines),
    )
    signed = signatures.sign_request(
        unsigned, sender.key, created=int(sender.clock.now.timestamp()), nonce=secrets.token_urlsafe(16)
    )
    response = receiver.federation.receive_batch(signed)
    return response, documents.loads(response.body)


def receiver_head(sender: Node, receiver: Node) -> tuple[int, str]:
    with receiver.work() as work:
        head = work.streams.head(receiver.relation(sender))
    return head.seq, head.entry_hash


def documents_of(line: bytes) -> Document:
    try:
        return documents.loads(line, floats=True)
    except Exception:  # noqa: BLE001
        return {"id": "https://unknown.example/a/1", "type": "Create"}


def digest_of(line: bytes) -> str:
    from federation.digest import content_digest

    return content_digest(line)


def peer(host: Node, guest: Node) -> None:
    """The whole handshake, as two admins do it."""
    _, link = host.invite()
    assert guest.accept_invite(link, host).status == 202
    guest.confirm(host)
    host.confirm(guest)
    assert host.offer(guest).status == 202
    guest.agree(host)
    assert host.relation(guest).state is State.IN_FORCE


def open_space(host: Node, space: str, guest: Node) -> None:
    """Share `space`, accept it there, and put the guest on the roster."""
    guest.accept_space(host.share(space, guest), host)
    host.write_roster(space, add=guest)
    host.deliver(guest)


def enter(person: str, node: Node, space: str, host: Node) -> None:
    """A person of another organisation joins."""
    node.say(person, {"type": "Join", "object": space}, space)
    node.deliver(host)


@dataclass
class World:
    """What fixtures build once and put back before each test."""

    clock: Clock

    def nodes(self) -> list[Node]:
        return [each for each in vars(self).values() if isinstance(each, Node)]

    def snapshot(self) -> Callable[[], None]:
        """How to put everything back as it is now."""
        now = self.clock.now
        kept = [(node, node.store.rows.copy(), dict(node.store.signers)) for node in self.nodes()]

        def restore() -> None:
            self.clock.now = now
            for node, rows, signers in kept:
                node.store.rows, node.store.signers = rows.copy(), dict(signers)

        return restore


@dataclass
class Worlds(World):
    """North hosts; south and east are its partners, not each other's."""

    north: Node
    south: Node
    east: Node
    space: str
    anna: str
    sven: str
    elsa: str

    def settle(self) -> None:
        """Deliver everything everywhere."""
        for _ in range(2):
            for one, other in (
                (self.south, self.north),
                (self.east, self.north),
                (self.north, self.south),
                (self.north, self.east),
            ):
                one.deliver(other)


@dataclass
class Pair(World):
    """North hosts, south is its partner and says what it must not."""

    north: Node
    south: Node
    space: str
    anna: str
    sven: str

    def activity(self, **members: Any) -> Document:
        note = self.south.note(self.sven, self.space, "good")
        return {
            "@context": list(CONTEXT),
            "id": f"{self.south.settings.origin}/a/{len(self.north.store.rows.seen)}x",
            "type": "Create",
            "actor": self.sven,
            "audience": self.space,
            "to": [self.space],
            "published": self.clock.moment,
            "salt": "c2FsdHNhbHRzYWx0c2FsdA",
            "object": note,
            **members,
        }

    def line(self, document: Document, key: SigningKey | None = None) -> bytes:
        signer = key or self.south.store.signers[document["actor"]]
        return documents.dumps(sign(document, signer, self.clock.moment))

    def say(self, line: bytes, **changes: Any) -> Document:
        """Send one line; what the receipt says of it."""
        response, receipt = post_batch(self.south, self.north, [line], **changes)
        assert response.status == 200
        exceptions: list[Document] = receipt["exceptions"]
        return exceptions[0] if exceptions else {"outcome": "processed"}


def effects(node: Node) -> dict[str, Any]:
    rows = node.store.rows.copy()
    return {
        name: getattr(rows, name)
        for name in ("documents", "keys", "relations", "spaces", "objects", "seen", "out", "introduced")
    }


def problem_of(exception: Document) -> str:
    return str(exception["problem"]["type"]).rpartition("#")[2]


def three_nodes() -> Worlds:
    clock = Clock()
    north, south, east = (Node(name, clock) for name in ("north", "south", "east"))
    peer(north, south)
    peer(north, east)
    anna, sven, elsa = north.person("Anna"), south.person("Sven"), east.person("Elsa")
    space = north.space("Bridge", anna)
    open_space(north, space, south)
    open_space(north, space, east)
    world = Worlds(clock, north, south, east, space, anna, sven, elsa)
    enter(sven, south, space, north)
    enter(elsa, east, space, north)
    world.settle()
    return world


def two_nodes() -> Pair:
    clock = Clock()
    north, south = Node("north", clock), Node("south", clock)
    peer(north, south)
    anna, sven = north.person("Anna"), south.person("Sven")
    space = north.space("Bridge", anna)
    open_space(north, space, south)
    enter(sven, south, space, north)
    north.deliver(south)
    return Pair(clock, north, south, space, anna, sven)
