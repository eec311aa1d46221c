"""Every port in dictionaries: for tests, for the vectors, and to read what a host must do.

Rule: `Store.open_work` gives a unit of work on a copy; a clean exit puts the copy in place.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from federation import charter, documents, iris, limits, proofs, rekeying
from federation.activity import Activity, Document
from federation.digest import digest, sha256_of
from federation.errors import LocalError, OutOfScope, ReplayedMessage, RosterOutdated
from federation.http import Headers, Request, Response
from federation.keys import PublicKey, SigningKey
from federation.ports import (
    TOMBSTONE,
    Dispute,
    Effect,
    Entry,
    FormerNode,
    Head,
    Invite,
    MemberNode,
    Outcome,
    Proposal,
    Recall,
    Relation,
    Role,
    Space,
    State,
    Stored,
)
from federation.roster import nodes_of


@dataclass
class SpaceRow:
    """One space with its members, organisations and holes; `roster` is the digest of the one in force,
    `welcome` that our admin has accepted the space.
    """

    space: Space
    members: dict[str, Role] = field(default_factory=dict)
    nodes: list[MemberNode] = field(default_factory=list)
    former: tuple[FormerNode, ...] = ()
    missing: set[int] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    roster: str | None = None
    welcome: bool = True

    def copy(self) -> SpaceRow:
        """Another row that says the same."""
        return replace(
            self,
            members=self.members.copy(),
            nodes=self.nodes.copy(),
            missing=self.missing.copy(),
            requests=self.requests.copy(),
        )


@dataclass
class ObjectRow:
    """One object of people: its author, what it says, where it stands."""

    stored: Stored
    document: Document | None
    rev: int | None
    likes: set[str] = field(default_factory=set)
    refused: Mapping[str, object] | None = None

    def copy(self) -> ObjectRow:
        """Another row that says the same."""
        return replace(self, likes=self.likes.copy())


@dataclass
class RecallRow:
    """One Delete: what it asked, where, and what each node answered."""

    space: str
    object: str
    recall: Recall | None
    answers: dict[str, Document] = field(default_factory=dict)

    def copy(self) -> RecallRow:
        """Another row that says the same."""
        return replace(self, answers=self.answers.copy())


@dataclass
class Rows:
    """Everything, as plain data."""

    documents: dict[str, Document] = field(default_factory=dict)
    keys: dict[str, PublicKey] = field(default_factory=dict)
    relations: dict[str, Relation] = field(default_factory=dict)
    versions: dict[tuple[str, str], Document] = field(default_factory=dict)
    invites: dict[str, Invite] = field(default_factory=dict)
    spaces: dict[str, SpaceRow] = field(default_factory=dict)
    invitations: dict[str, tuple[str, str, bool | None]] = field(default_factory=dict)
    answers: dict[str, bool] = field(default_factory=dict)
    offers: list[tuple[str, Document]] = field(default_factory=list)
    objects: dict[str, ObjectRow] = field(default_factory=dict)
    activities: dict[str, Activity] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    out: dict[str, list[Entry]] = field(default_factory=dict)
    acknowledged: dict[str, int] = field(default_factory=dict)
    refusals: dict[tuple[str, int], Mapping[str, object]] = field(default_factory=dict)
    late: dict[tuple[str, int], str] = field(default_factory=dict)
    taken: dict[str, list[tuple[Entry, Outcome]]] = field(default_factory=dict)
    held: list[tuple[str, int, bytes, str | None]] = field(default_factory=list)
    disputes: list[tuple[str, Dispute]] = field(default_factory=list)
    checkpoints: list[tuple[Document, Document]] = field(default_factory=list)
    given: dict[str, list[Document]] = field(default_factory=dict)
    received: dict[str, list[Document]] = field(default_factory=dict)
    nonces: dict[tuple[str, str], datetime] = field(default_factory=dict)
    introduced: dict[tuple[str, str], str] = field(default_factory=dict)
    statements: list[Document] = field(default_factory=list)
    doubted: list[str] = field(default_factory=list)
    notes: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    recalls: dict[str, RecallRow] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    asides: list[tuple[str, Activity]] = field(default_factory=list)
    purges: list[tuple[str, Document]] = field(default_factory=list)

    def copy(self) -> Rows:
        """Other rows that say the same: values are shared, as nothing changes one in place."""
        return Rows(**{each.name: _copy(getattr(self, each.name)) for each in fields(self)})


def _copy(kept: Any) -> Any:
    if isinstance(kept, dict):
        return {key: _row(value) for key, value in kept.items()}
    return kept.copy()


def _row(value: Any) -> Any:
    return value.copy() if isinstance(value, list | SpaceRow | ObjectRow | RecallRow) else value


@dataclass
class Store:
    """A host in memory. `signers` are our own keys by actor; `types` the object types kept."""

    node: str
    signers: dict[str, SigningKey] = field(default_factory=dict)
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    types: frozenset[str] = frozenset(charter.OBJECT_TYPES)
    rows: Rows = field(default_factory=Rows)

    @contextmanager
    def open_work(self) -> Iterator[MemoryWork]:
        """One unit of work."""
        work = MemoryWork(self, self.rows.copy())
        yield work
        self.rows = work.rows


class MemoryWork:
    """One unit of work: `rows` are put in place of the store's when it ends well."""

    def __init__(self, store: Store, rows: Rows) -> None:
        self.store, self.rows, self.now, self.node = store, rows, store.clock(), store.node
        self.actors, self.peers, self.handshakes = Actors(self), Peers(self), Handshakes(self)
        self.agreements = Agreements(self)
        self.spaces, self.objects, self.journal = Spaces(self), Objects(self), Journal(self)
        self.log, self.streams, self.receipts = Log(self), Streams(self), Receipts(self)
        self.recalls = Recalls(self)
        self.checkpoints = Checkpoints(self)
        self.nonces, self.introductions, self.audit = Nonces(self), Introductions(self), Audit(self)
        self.statements = Statements(self)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Put the rows back when an exception leaves."""
        before = self.rows.copy()
        try:
            yield
        except BaseException:
            self.rows = before
            raise


class _Port:
    def __init__(self, work: MemoryWork) -> None:
        self.work = work

    @property
    def rows(self) -> Rows:
        return self.work.rows


class Actors(_Port):
    """Answers `ports.Actors`."""

    def key(self, key_id: str) -> PublicKey | None:
        key = self.rows.keys.get(key_id)
        return key if key is not None and key.holds_at(self.work.now) else None

    def key_at(self, key_id: str, moment: datetime) -> PublicKey | None:
        key = self.rows.keys.get(key_id)
        return key if key is not None and key.holds_at(moment) else None

    def document(self, actor: str) -> Document | None:
        return self.rows.documents.get(actor)

    def digest(self, actor: str) -> str | None:
        document = self.rows.documents.get(actor)
        return None if document is None else digest(document)

    def learn(self, document: Document, node: str) -> None:  # noqa: ARG002 - kept by hosts with tables
        actor, ended = document["id"], f"{self.work.now:%Y-%m-%dT%H:%M:%SZ}"
        self.rows.documents[actor] = document
        named = {key.key_id: key for key in rekeying.dated_keys(document)}
        for key_id, key in list(self.rows.keys.items()):
            if key.controller == actor and key_id not in named and key.holds_at(self.work.now):
                self.rows.keys[key_id] = replace(key, expires=ended)
        self.rows.keys.update(named)

    def regain(self, document: Document) -> None:
        actor, moment = document["id"], f"{self.work.now:%Y-%m-%dT%H:%M:%SZ}"
        lost = SigningKey.generate(f"{actor}#ed25519")
        key = SigningKey.from_raw(lost.raw(), f"{lost.key_id}-{lost.public.multibase[-8:]}")
        methods = [key.public.method, *documents.as_list(document["assertionMethod"])]
        unproved = {name: value for name, value in document.items() if name != "proof"}
        signed = proofs.sign({**unproved, "assertionMethod": methods}, self.signer(self.work.node), moment)
        self.learn(signed, self.work.node)
        self.work.store.signers[actor] = key

    def signer(self, actor: str) -> SigningKey:
        if actor not in self.work.store.signers:
            raise LocalError(f"{actor} is not ours.")
        return self.work.store.signers[actor]


class Peers(_Port):
    """Answers `ports.Peers`."""

    def of_origin(self, origin: str) -> Relation | None:
        return next(
            (each for each in self.rows.relations.values() if each.node.startswith(f"{origin}/")), None
        )

    def of_node(self, node: str) -> Relation | None:
        return self.rows.relations.get(node)

    def ended(self, origin: str) -> Relation | None:
        found = self.of_origin(origin)
        return found if found is not None and found.state is State.TERMINATED else None


class Handshakes(_Port):
    """Answers `ports.Handshakes`."""

    def invite(self, invite_id: str) -> Invite | None:
        return self.rows.invites.get(invite_id)

    def use_invite(self, invite_id: str) -> bool:
        invite = self.rows.invites[invite_id]
        self.rows.invites[invite_id] = replace(invite, used=True, token=b"")
        return not invite.used

    def fail_invite(self, invite_id: str) -> None:
        invite = self.rows.invites[invite_id]
        self.rows.invites[invite_id] = replace(invite, failures=invite.failures + 1)

    def introduce(self, node: str, key: PublicKey, invite: str) -> None:
        self.rows.relations[node] = Relation(
            id=node,
            node=node,
            name=node,
            state=State.KEYS_EXCHANGED,
            keys=(key,),
            inbox=f"{node}/inbox",
            exchange=f"{iris.origin(node)}/exchange",
            invite=invite,
        )

    def confirmed_there(self, relation: Relation) -> None:
        self._change(relation, confirmed_there=True)

    def rekeyed(self, relation: Relation, keys: Sequence[PublicKey]) -> None:
        self._change(relation, keys=tuple(keys))

    def revoked(self, relation: Relation, keys: Sequence[PublicKey], since: str) -> None:  # noqa: ARG002
        agreed = relation.agreement is not None
        self._change(
            relation,
            keys=tuple(keys),
            confirmed_here=False,
            confirmed_there=False,
            recompare=agreed,
            state=relation.state if agreed else State.KEYS_EXCHANGED,
        )

    def confirmed_here(self, relation: Relation) -> None:
        """Our admin pressed "equal": on a node this is a use case, not a port."""
        self._change(relation, confirmed_here=True)

    def _change(self, relation: Relation, **members: Any) -> Relation:
        changed = replace(self.rows.relations[relation.node], **members)
        if changed.state is State.KEYS_EXCHANGED and changed.confirmed_here and changed.confirmed_there:
            changed = replace(changed, state=State.VERIFIED)
        if changed.confirmed_here and changed.confirmed_there:
            changed = replace(changed, recompare=False)
        self.rows.relations[relation.node] = changed
        return changed


class Agreements(_Port):
    """Answers `ports.Agreements`."""

    def offered(self, relation: Relation, offer: Activity, agreement: Document, digest: str) -> None:
        by_us = offer.actor == self.work.store.node
        proposal = Proposal(offer.id, agreement, digest, offer.document["endTime"], by_us)
        if relation.agreement is not None:
            self._change(relation, proposal=proposal)
            return
        self._change(
            relation,
            state=State.OFFERED,
            proposal=proposal,
            genesis=digest,
            stream_in=charter.party(agreement, relation.node)["stream"],
            stream_out=charter.party(agreement, self.work.store.node)["stream"],
        )

    def accepted(self, relation: Relation, accept: Activity) -> None:  # noqa: ARG002 - kept by hosts with tables
        if relation.proposal is not None:
            self._change(relation, proposal=replace(relation.proposal, accepted=True))

    def in_force(self, relation: Relation, accept: Activity) -> Relation:
        proposal = relation.proposal
        if proposal is None:
            raise LocalError("No agreement is on offer.")
        self.rows.versions[relation.node, proposal.digest] = proposal.agreement
        incoming = charter.party(proposal.agreement, relation.node)["stream"]
        outgoing = charter.party(proposal.agreement, self.work.store.node)["stream"]
        goes_on = (incoming, outgoing) == (relation.stream_in, relation.stream_out)
        if not goes_on:
            self._set_aside(relation)
        return self._stand(
            relation,
            agreement=proposal.agreement,
            agreement_digest=proposal.digest,
            genesis=relation.genesis if goes_on else proposal.digest,
            stream_in=incoming,
            stream_out=outgoing,
            offer=proposal.offer,
            accept=accept.id,
            offered_by_us=proposal.by_us,
            proposal=None,
        )

    def declined(self, relation: Relation, offer: str) -> None:
        if relation.proposal is None and offer == relation.offer:  # our first Accept came too late
            self._change(relation, state=State.VERIFIED, agreement=None, agreement_digest="", offer="")
        elif relation.agreement is None:
            self._change(relation, state=State.VERIFIED, proposal=None)
        else:
            self._change(relation, proposal=None)

    def suspended(self, relation: Relation, said: Activity) -> None:
        ours = said.actor == self.work.store.node
        self._stand(relation, **{"suspended_here" if ours else "suspended_there": True})

    def resumed(self, relation: Relation, said: Activity) -> None:
        ours = said.actor == self.work.store.node
        self._stand(relation, **{"suspended_here" if ours else "suspended_there": False})

    def stopped(self, relation: Relation, said: Activity, spaces: Sequence[str]) -> Relation:
        ours = said.actor == self.work.store.node
        return self._change(relation, **{"stopped_here" if ours else "stopped_there": frozenset(spaces)})

    def ends(self, relation: Relation, said: Activity) -> None:
        ends = said.document["startTime"]
        over = ends <= f"{self.work.now:%Y-%m-%dT%H:%M:%SZ}"
        self._change(relation, ends=ends, **({"state": State.TERMINATED} if over else {}))

    def version(self, relation: Relation, digest: str) -> Document | None:
        return self.rows.versions.get((relation.node, digest))

    def _set_aside(self, relation: Relation) -> None:
        """The streams that end are kept under their own names; those of a relation stand under its node."""
        rows, node = self.rows, relation.node
        for kept, stream in (
            (rows.out, relation.stream_out),
            (rows.acknowledged, relation.stream_out),
            (rows.taken, relation.stream_in),
        ):
            if node in kept:
                kept[stream] = kept.pop(node)  # type: ignore[assignment]
        for noted in (rows.refusals, rows.late):
            for seq in [seq for name, seq in noted if name == node]:
                noted[relation.stream_out, seq] = noted.pop((node, seq))  # type: ignore[assignment]

    def _stand(self, relation: Relation, **members: Any) -> Relation:
        """In force, or suspended while one of the two says so."""
        changed = self._change(relation, **members)
        suspended = changed.suspended_here or changed.suspended_there
        return self._change(changed, state=State.SUSPENDED if suspended else State.IN_FORCE)

    def _change(self, relation: Relation, **members: Any) -> Relation:
        changed = replace(self.rows.relations[relation.node], **members)
        self.rows.relations[relation.node] = changed
        return changed


class Spaces(_Port):
    """Answers `ports.Spaces`."""

    def get(self, iri: str) -> Space | None:
        row = self.rows.spaces.get(iri)
        return row.space if row else None

    def take_rev(self, space: Space) -> int:
        row = self.rows.spaces[space.iri]
        row.space = replace(row.space, rev=row.space.rev + 1)
        return row.space.rev

    def advance(self, space: Space, rev: int) -> None:
        row = self.rows.spaces[space.iri]
        current = row.space.rev
        if rev > current:
            if row.space.active:
                row.missing |= set(range(current + 1, rev))
            row.space = replace(row.space, rev=rev)
        elif rev in row.missing:
            row.missing.discard(rev)
        elif rev >= row.space.first_rev:
            raise ReplayedMessage(f"rev {rev} was there before.")

    def role(self, space: str, actor: str) -> Role | None:
        row = self.rows.spaces.get(space)
        return row.members.get(actor) if row else None

    def members(self, space: str) -> Sequence[str]:
        row = self.rows.spaces.get(space)
        return list(row.members) if row else ()

    def nodes(self, space: str) -> Sequence[MemberNode]:
        row = self.rows.spaces.get(space)
        return row.nodes if row else ()

    def hosted_with(self, node: str) -> Sequence[str]:
        rows = self.rows.spaces.items()
        return [
            iri for iri, row in rows if row.space.hosted and any(each.node == node for each in row.nodes[1:])
        ]

    def former(self, space: str) -> Sequence[FormerNode]:
        row = self.rows.spaces.get(space)
        return row.former if row else ()

    def admit(self, effect: Effect, actor: str, role: Role) -> None:
        self.rows.spaces[effect.space.iri].members.setdefault(actor, role)

    def dismiss(self, effect: Effect, actor: str) -> None:
        self.rows.spaces[effect.space.iri].members.pop(actor, None)

    def request(self, effect: Effect) -> None:
        self.rows.spaces[effect.space.iri].requests.append(effect.actor)

    def request_answered(self, request: str, *, accepted: bool) -> None:
        self.rows.answers[request] = accepted

    def roster(self, effect: Effect, roster: Document) -> None:
        row = self.rows.spaces[effect.space.iri]
        active = any(each["node"] == self.work.store.node for each in roster["nodes"])
        follows = (roster["version"], roster["previousVersion"]) == (row.space.roster_version + 1, row.roster)
        enters = not row.space.active and roster["version"] > row.space.roster_version
        if not (follows or enters):
            raise RosterOutdated("It does not follow the roster in force.", version=row.space.roster_version)
        if enters:
            if active and not row.welcome:
                raise OutOfScope("We have not accepted this space.")
            row.missing.clear()
            row.space = replace(row.space, first_rev=effect.rev or 0)
        row.roster = digest(roster)
        row.nodes = nodes_of(roster)
        row.former = tuple(
            FormerNode(each["node"], each["name"], each["key"], each["until"])
            for each in roster.get("formerNodes", ())
        )
        row.members = {each["actor"]: Role(each["role"]) for each in roster["members"]}
        row.space = replace(row.space, roster_version=roster["version"], active=active)

    def invited(self, relation: Relation, invite: Activity, group: Document) -> None:
        offered = Space(
            group["id"], relation.node, hosted=False, rev=0, first_rev=0, roster_version=0, active=False
        )
        self.rows.spaces.setdefault(group["id"], SpaceRow(offered, welcome=False))
        self.rows.invitations[invite.id] = (group["id"], relation.node, None)

    def invitation(self, invite: str) -> tuple[Space, str] | None:
        found = self.rows.invitations.get(invite)
        return (self.rows.spaces[found[0]].space, found[1]) if found and found[2] is None else None

    def answered(self, relation: Relation, invite: str, *, accepted: bool) -> None:
        space, _, _ = self.rows.invitations[invite]
        self.rows.invitations[invite] = (space, relation.node, accepted)

    def left(self, relation: Relation, space: Space) -> None:
        row = self.rows.spaces[space.iri]
        if all(each.node != relation.node for each in row.nodes):
            raise ReplayedMessage("The organisation is not on the roster.")
        row.nodes = [each for each in row.nodes if each.node != relation.node]
        row.members = {
            actor: role for actor, role in row.members.items() if not iris.same_origin(actor, relation.node)
        }


class Objects(_Port):
    """Answers `ports.Objects`."""

    def stored(self, object_id: str) -> Stored | None:
        row = self.rows.objects.get(object_id)
        return row.stored if row else None

    def knows(self, object_type: str) -> bool:
        return object_type in self.work.store.types

    def create(self, effect: Effect) -> None:
        document = effect.activity.object or {}
        known = self.rows.objects.get(document["id"])
        if known is not None:
            if known.rev is not None or known.stored.type == TOMBSTONE:
                raise ReplayedMessage("The object exists.")
            known.rev = effect.rev
            return
        stored = Stored(document["id"], document["type"], effect.actor, effect.space.iri)
        self.rows.objects[document["id"]] = ObjectRow(stored, document, effect.rev)

    def update(self, effect: Effect) -> None:
        row = self.rows.objects[str(effect.activity.object_id)]
        row.document, row.rev = effect.activity.object, effect.rev

    def delete(self, effect: Effect) -> None:
        iri = str(effect.activity.object_id)
        row = self.rows.objects.get(iri)
        if row is None:
            never = Stored(iri, TOMBSTONE, effect.actor, effect.space.iri)
            row = self.rows.objects[iri] = ObjectRow(never, None, effect.rev)
        row.document, row.stored, row.rev = None, replace(row.stored, type=TOMBSTONE), effect.rev

    def like(self, effect: Effect) -> None:
        self.rows.objects[str(effect.activity.object_id)].likes.add(effect.actor)

    def unlike(self, effect: Effect) -> None:
        liked = documents.id_of((effect.activity.object or {})["object"])
        self.rows.objects[str(liked)].likes.discard(effect.actor)

    def refused(self, activity_id: str, problem: Mapping[str, object]) -> None:
        activity = self.rows.activities.get(activity_id)
        if activity is not None and activity.object_id in self.rows.objects:
            self.rows.objects[str(activity.object_id)].refused = problem


class Recalls(_Port):
    """Answers `ports.Recalls`: nothing is held here, so all that was said of the object is erased at once."""

    def begin(self, effect: Effect, recall: Recall | None) -> None:
        iri = str(effect.activity.object_id)
        self.rows.recalls.setdefault(effect.activity.id, RecallRow(effect.space.iri, iri, recall))
        said = [each for each in self.rows.activities.values() if each.object_id == iri]
        for each in said:
            if each.type in {"Create", "Update"}:
                self.work.journal.erase(each.id)

    def awaits(self, activity_id: str) -> str | None:
        row = self.rows.recalls.get(activity_id)
        return None if row is None or row.recall is None else row.space

    def answered(self, activity_id: str, node: str, receipt: Document) -> None:
        answers = self.rows.recalls[activity_id].answers
        if node not in answers or answers[node]["published"] <= receipt["published"]:
            answers[node] = receipt

    def refused(self, relation: Relation, activity_id: str, problem: Mapping[str, object]) -> None:
        row = self.rows.recalls.get(activity_id)
        if row is not None:
            moment = f"{self.work.now:%Y-%m-%dT%H:%M:%SZ}"
            row.answers[relation.node] = {
                "outcome": "refused",
                "problem": dict(problem),
                "published": moment,
            }

    def purged(self, relation: Relation, receipt: Document) -> None:
        self.rows.purges.append((relation.node, receipt))


class Journal(_Port):
    """Answers `ports.Journal`."""

    def digest_of(self, activity_id: str) -> str | None:
        return self.rows.seen.get(activity_id)

    def keep(self, activity: Activity, *, inside: Activity | None = None) -> None:
        self.rows.seen[activity.id] = activity.content_digest
        for each in (activity, inside):
            if each is not None and self.rows.erased.isdisjoint({each.id, each.object_id}):
                self.rows.activities.setdefault(each.id, each)

    def get(self, activity_id: str) -> Activity | None:
        return self.rows.activities.get(activity_id)

    def announced(self, activity_id: str) -> bool:
        kept = self.rows.activities.values()
        return any(each.type == "Announce" and each.object_id == activity_id for each in kept)

    def erase(self, activity_id: str) -> None:
        self.rows.erased.add(activity_id)
        gone = [each.id for each in self.rows.activities.values() if activity_id in {each.id, each.object_id}]
        for each in gone:
            del self.rows.activities[each]


def _read(
    rows: Rows, entries: Sequence[Entry], wanted: range, size_bytes: int, refused: Container[int] = ()
) -> Sequence[tuple[Entry, bytes]]:
    found: list[tuple[Entry, bytes]] = []
    for entry in entries[wanted.start - 1 : wanted.stop - 1]:
        activity = rows.activities.get(entry.activity)
        whole = activity is not None and activity.content_digest == entry.content_digest
        raw = activity.raw if activity and whole and entry.seq not in refused else b""
        size_bytes -= len(raw) + 1
        if found and size_bytes < 0:
            break
        found.append((entry, raw))
    return found


class Log(_Port):
    """Answers `ports.Log`."""

    def head(self, relation: Relation) -> Head:
        entries = self.rows.out.get(relation.node)
        return Head(entries[-1].seq, entries[-1].entry_hash) if entries else Head(0, relation.genesis)

    def acknowledged(self, relation: Relation) -> int:
        return self.rows.acknowledged.get(relation.node, 0)

    def append(self, relation: Relation, entry: Entry) -> None:
        self.rows.out.setdefault(relation.node, []).append(entry)

    def aside(self, relation: Relation, activity: Activity) -> None:
        self.rows.asides.append((relation.node, activity))

    def read(
        self, relation: Relation, first: int, lines: int, size_bytes: int
    ) -> Sequence[tuple[Entry, bytes]]:
        refused = {seq for node, seq in self.rows.refusals if node == relation.node}
        log = self.rows.out.get(relation.node, [])
        return _read(self.rows, log, range(first, first + lines), size_bytes, refused)

    def entry(self, relation: Relation, seq: int) -> Entry | None:
        entries = self.rows.out.get(relation.node, [])
        return entries[seq - 1] if 0 < seq <= len(entries) else None

    def unwind(self, relation: Relation, seq: int) -> Sequence[Entry]:
        entries = self.rows.out.get(relation.node, [])
        self.rows.out[relation.node] = entries[: seq - 1]
        return entries[seq - 1 :]

    def times(self, relation: Relation, activity_id: str) -> int:
        return sum(each.activity == activity_id for each in self.rows.out.get(relation.node, []))

    def acknowledge(self, relation: Relation, seq: int) -> None:
        self.rows.acknowledged[relation.node] = max(seq, self.acknowledged(relation))

    def refuse(self, relation: Relation, seq: int, problem: Mapping[str, object]) -> None:
        self.rows.refusals[relation.node, seq] = problem

    def hold(self, relation: Relation, seq: int) -> None:
        self.rows.late.setdefault((relation.node, seq), "")

    def late(self, relation: Relation, seq: int) -> str | None:
        return self.rows.late.get((relation.node, seq))

    def conclude(self, relation: Relation, seq: int, said: str) -> None:
        self.rows.late[relation.node, seq] = said


class Streams(_Port):
    """Answers `ports.Streams`."""

    def head(self, relation: Relation) -> Head:
        taken = self.rows.taken.get(relation.node)
        return Head(taken[-1][0].seq, taken[-1][0].entry_hash) if taken else Head(0, relation.genesis)

    def entries(self, relation: Relation, first: int, last: int) -> Sequence[tuple[Entry, Outcome]]:
        return [each for each in self.rows.taken.get(relation.node, []) if first <= each[0].seq <= last]

    def read(
        self, relation: Relation, first: int, lines: int, size_bytes: int
    ) -> Sequence[tuple[Entry, bytes]]:
        taken = [entry for entry, _ in self.rows.taken.get(relation.node, [])]
        return _read(self.rows, taken, range(first, first + lines), size_bytes)

    def record(self, relation: Relation, taken: Iterable[tuple[Entry, Outcome]]) -> None:
        self.rows.taken.setdefault(relation.node, []).extend(taken)

    def hold(self, relation: Relation, seq: int, raw: bytes, about: str | None) -> None:
        self.rows.held.append((relation.node, seq, raw, about))

    def holds(self, relation: Relation, about: str | None) -> bool:
        return about is not None and any(
            node == relation.node and other == about for node, _, _, other in self.rows.held
        )

    def disputed(self, relation: Relation) -> bool:
        return any(found.stream == relation.stream_in for _, found in self.rows.disputes)

    def dispute(self, relation: Relation, dispute: Dispute) -> None:
        if (relation.node, dispute) not in self.rows.disputes:
            self.rows.disputes.append((relation.node, dispute))


class Checkpoints(_Port):
    """Answers `ports.Checkpoints`."""

    def leaves(self, relation: Relation, stream: str, first: int, last: int) -> Sequence[bytes]:
        ours = stream == relation.stream_out
        log = self.rows.out.get(relation.node, [])
        taken = [entry for entry, _ in self.rows.taken.get(relation.node, [])]
        return [sha256_of(entry.entry_hash) for entry in (log if ours else taken)[first - 1 : last]]

    def blocks(self, relation: Relation, stream: str, count: int) -> Sequence[bytes]:  # noqa: ARG002
        return ()

    def keep_blocks(self, relation: Relation, stream: str, first: int, roots: Sequence[bytes]) -> None:
        """Nothing is kept: logs in memory are short."""

    def keep(
        self,
        relation: Relation,  # noqa: ARG002
        checkpoint: Document,
        receipt: Document,
        headers: tuple[Headers, Headers] | None = None,  # noqa: ARG002
    ) -> None:
        self.rows.checkpoints.append((checkpoint, receipt))

    def answer(self, checkpoint_id: str) -> Document | None:
        return next((receipt for said, receipt in self.rows.checkpoints if said["id"] == checkpoint_id), None)

    def of_size(self, relation: Relation, stream: str, size: int) -> Sequence[Document]:  # noqa: ARG002
        return [said for said, _ in self.rows.checkpoints if (said["stream"], said["size"]) == (stream, size)]


class Receipts(_Port):
    """Answers `ports.Receipts`."""

    def given(self, relation: Relation, first: int, last: int) -> Document | None:
        for receipt in self.rows.given.get(relation.node, []):
            if (receipt["from"], receipt["to"]) == (first, last):
                return receipt
        return None

    def keep_given(self, relation: Relation, receipt: Document) -> None:
        self.rows.given.setdefault(relation.node, []).append(receipt)

    def keep_received(
        self,
        relation: Relation,
        receipt: Document,
        request: Request,  # noqa: ARG002
        response: Response,  # noqa: ARG002
    ) -> None:
        self.rows.received.setdefault(relation.node, []).append(receipt)


class Nonces(_Port):
    """Answers `ports.Nonces`."""

    def first_use(self, key_id: str, nonce: str, now: datetime) -> bool:
        used = self.rows.nonces.get((key_id, nonce))
        if used is not None and (now - used).total_seconds() < limits.NONCE_MEMORY_S:
            return False
        self.rows.nonces[key_id, nonce] = now
        return True


class Introductions(_Port):
    """Answers `ports.Introductions`."""

    def known(self, relation: Relation, actor: str) -> str | None:
        return self.rows.introduced.get((relation.node, actor))

    def introduced(self, relation: Relation, actor: str, digest: str) -> None:
        self.rows.introduced[relation.node, actor] = digest


class Statements(_Port):
    """Answers `ports.Statements`."""

    def keep(self, statement: Document) -> None:
        if statement not in self.rows.statements:
            self.rows.statements.append(statement)

    def doubt(self, space: str) -> None:
        self.rows.doubted.append(space)


class Audit(_Port):
    """Answers `ports.Audit`."""

    def note(self, event: str, **facts: object) -> None:
        self.rows.notes.append((event, facts))

    def count(self, event: str, problem: str) -> None:
        self.rows.notes.append((event, {"problem": problem}))
