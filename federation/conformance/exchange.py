"""own-exchange: batches, introductions and Announces, through the real walks on a host in memory.

A file is known by its `role`. Source: FORMS.md, *own-exchange*.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from federation import delivery, documents, exchange, signatures
from federation.activity import CONTEXT
from federation.adapters.memory import MemoryWork, ObjectRow, SpaceRow, Store
from federation.digest import digest
from federation.http import Headers, Request, Response
from federation.keys import PublicKey, SigningKey
from federation.ports import Entry, MemberNode, Outcome, Relation, Role, Space, State, Stored
from federation.service import Federation
from federation.settings import Settings

Vector = dict[str, Any]


def is_form(vector: Vector) -> bool:
    """Whether a file has the form of this folder."""
    return vector.get("role") in {"receiver", "sender"} and "request" in vector


def check(vector: Vector) -> Iterator[str]:
    """What differs from what the file expects; nothing when all holds."""
    world = _World(vector)
    yield from world.check_signature_base()
    yield from world.check_entries()
    if vector["role"] == "receiver":
        yield from world.check_receiver()
    else:
        yield from world.check_sender()


class _World:
    def __init__(self, vector: Vector) -> None:
        self.vector, self.state, self.expect = vector, vector["state"], vector["expect"]
        self.node: str = self.state["self"]
        self.now = datetime.fromtimestamp(vector["now"], UTC)
        limits = self.state.get("limits", {})
        self.settings = Settings(
            node=self.node,
            origin=self.node.rpartition("/")[0],
            name=self.node,
            max_line_bytes=limits.get("maxLineBytes", 262144),
            max_batch_bytes=limits.get("maxBatchBytes", 1048576),
            max_batch_lines=limits.get("maxLines", 200),
        )
        self.store = Store(self.node, clock=lambda: self.now)
        self.relation = self._relation()
        self._fill()
        self.federation = Federation(self.settings, self.store.open_work)
        self.request = _request(vector["request"])

    # -- the world

    def _relation(self) -> Relation:
        agreement = self.state["agreement"]
        partner = next(each for each in agreement["parties"] if each["node"] != self.node)
        ours = next(each for each in agreement["parties"] if each["node"] == self.node)
        node = partner["node"]
        return Relation(
            id=node,
            node=node,
            name=partner["legalName"],
            state=State(self.state["agreement_state"]),
            keys=tuple(PublicKey.from_multibase(f"{node}#ed25519", each) for each in partner["keys"]),
            inbox=f"{node}/inbox",
            exchange=f"{node.rpartition('/')[0]}/exchange",
            invite="",
            stream_in=partner["stream"],
            stream_out=ours["stream"],
            agreement=agreement,
            agreement_digest=digest(agreement),
            genesis=digest(agreement),
        )

    def _fill(self) -> None:
        rows, partner = self.store.rows, self.relation.node
        rows.relations[partner] = self.relation
        for actor in {self.node, *(each["id"] for each in self.state.get("spaces", ()))}:
            self.store.signers[actor] = SigningKey.generate(f"{actor}#ed25519")
        for key in self.state["keys"]:
            if key["source"] in {"introduction", "own"}:
                rows.keys[key["id"]] = PublicKey.from_multibase(key["id"], key["publicKeyMultibase"])
                rows.documents[key["controller"]] = {"id": key["controller"], "name": "known"}
                rows.introduced[partner, key["controller"]] = digest(rows.documents[key["controller"]])
        for space in self.state.get("spaces", ()):
            hosted = space["host"] == self.node
            row = SpaceRow(
                Space(space["id"], space["host"], hosted, space["rev"], 0, roster_version=0, active=True),
                members=dict.fromkeys(space["members"], Role.MEMBER),
                missing=set(space["missing"]),
                nodes=self._at_home(space),  # unless the file lists a roster
            )
            rows.spaces[space["id"]] = row
            if hosted:
                rows.documents[space["id"]] = {"id": space["id"], "name": "known"}
        for listed in self.state.get("roster", ()):
            rows.spaces[listed["space"]].nodes = [
                MemberNode(each["node"], each["node"], each["key"], each["role"], each["since"])
                for each in listed["nodes"]
            ]
        for seen in self.state.get("seen", ()):
            rows.seen[seen["activity"]] = seen["contentDigest"]
        for used in self.state.get("nonces") or ():
            rows.nonces[used["keyid"], used["nonce"]] = datetime.fromtimestamp(used["seen"], UTC)
        for stream in self.state["streams"]:
            self._fill_stream(stream)
        rows.given[partner] = list(self.state.get("receipts", ()))

    def _at_home(self, space: Vector) -> list[MemberNode]:
        partner, origin = self.relation.node, self.relation.node.rpartition("/")[0]
        nodes = [MemberNode(space["host"], space["host"], "", "host", "")]
        if partner != space["host"] and any(each.startswith(f"{origin}/") for each in space["members"]):
            nodes.append(MemberNode(partner, partner, "", "member", ""))
        return nodes

    def _fill_stream(self, stream: Vector) -> None:
        rows, partner = self.store.rows, self.relation.node
        known = [
            (_entry(each), Outcome(each.get("outcome") or "processed", _problem(each.get("problem"))))
            for each in stream["entries"]
        ]
        if stream["stream"] == self.relation.stream_in:
            rows.taken[partner] = known
            return
        rows.out[partner] = [entry for entry, _ in known]
        rows.acknowledged[partner] = (stream.get("acknowledged") or {}).get("seq", 0)

    # -- what was computed

    def check_signature_base(self) -> Iterator[str]:
        """Compared where each covered field still has its signed value: not in refused files."""
        message = self.vector.get("response") if self.vector["role"] == "sender" else None
        if self.expect.get("status") == 401 or self.expect.get("answer") == "reject":
            return
        signed: Request | Response = _response(message) if message else self.request
        first = signatures.signatures(signed)[0]
        request = self.request if message else None
        base = signatures.signature_base(signed, first.components, first.parameters, request=request)
        if base.decode() != self.vector["signature_base"]:
            yield "signature_base differs"

    def check_entries(self) -> Iterator[str]:
        """Entries and hashes as the manifest says, chained on `prev` of the field."""
        if "entries" not in self.vector or self.expect.get("status") in {401, 422}:
            return
        field = exchange.read_field(self.request.headers.get("exchange-log"))
        manifest = documents.loads(self.request.body.partition(b"\n")[0])
        prev = field.prev
        for row, expected in zip(manifest["entries"], self.vector["entries"], strict=True):
            made = exchange.entry(
                field.stream,
                row["seq"],
                prev,
                row["activity"],
                row["type"],
                row["contentDigest"],
                row["time"],
            )
            prev = made.entry_hash
            if made.entry_hash != expected["entryHash"]:
                yield f"entryHash of seq {row['seq']} differs"

    # -- what was decided

    def check_receiver(self) -> Iterator[str]:
        """Answer, effects, head, receipt, spaces and keys afterwards."""
        before = len(self.store.rows.taken.get(self.relation.node, ()))
        response = self.federation.receive_batch(self.request)
        rows = self.store.rows
        answer = documents.loads(response.body)
        yield from _compare("status", response.status, self.expect["status"])
        if self.expect["problem"] is not None:
            yield from _compare("problem", _fragment(answer), self.expect["problem"])
        yield from self._check_outcomes(before)
        head = self.expect["head_after"]
        with self.store.open_work() as work:
            mine = work.streams.head(self.relation)
        yield from _compare("head_after", (mine.seq, mine.entry_hash), (head["seq"], head["entryHash"]))
        if self.expect.get("receipt") is not None:
            yield from _check_receipt(answer, self.expect["receipt"])
            self._check_answer_is_signed(response)
        if "stored_receipt" in self.expect:
            yield from _compare("stored receipt", answer.get("id"), self.expect["stored_receipt"])
            yield from _compare("receipts kept", len(rows.given[self.relation.node]), 1)
        for name in ("expected", "agreement"):
            if name in self.expect:
                yield from _compare(name, answer.get(name), self.expect[name])
        if "disputed" in self.expect:
            yield from _compare("disputed", bool(rows.disputes), self.expect["disputed"])
        for space in self.expect.get("spaces_after", ()):
            row = rows.spaces[space["id"]]
            yield from _compare("rev", (row.space.rev, sorted(row.missing)), (space["rev"], space["missing"]))
        owners = {key.controller for key in rows.keys.values()}
        for actor in self.expect.get("known_after", ()):
            yield from _compare(f"known: {actor}", actor in owners, expected=True)
        for actor in self.expect.get("unknown_after", ()):
            yield from _compare(f"known: {actor}", actor in owners, expected=False)

    def _check_outcomes(self, before: int) -> Iterator[str]:
        taken = self.store.rows.taken.get(self.relation.node, [])
        outcomes = {entry.seq: outcome for entry, outcome in taken}
        for each in self.expect["per_entry"]:
            mine = outcomes.get(each["seq"], Outcome("none"))
            yield from _compare(f"outcome of {each['seq']}", mine.outcome, each["outcome"])
            if each["problem"] is not None:
                yield from _compare(f"problem of {each['seq']}", _fragment(mine.problem), each["problem"])
        lines = self.request.body.split(b"\n")[1:-1]
        first = exchange.read_field(self.request.headers.get("exchange-log")).seq
        applied = [
            entry.seq
            for entry, outcome in taken[before:]
            if outcome.outcome == "processed" and lines[entry.seq - first]
        ]
        yield from _compare("applied", applied, self.expect["applied"])

    def _check_answer_is_signed(self, response: Response) -> None:
        key = self.store.signers[self.node].public
        signatures.verify_response(response, self.request, key, self.vector["now"])

    def check_sender(self) -> Iterator[str]:
        """What our own log takes from the partner's answer."""
        field = exchange.read_field(self.request.headers.get("exchange-log"))
        with self.store.open_work() as work:
            sent = tuple(self.store.rows.out[self.relation.node])[field.seq - 1 : field.seq - 1 + field.count]
            _know_objects(work, self.request.body)
            parcel = delivery.Parcel(self.relation, self.request, sent)
            verdict = delivery.settle(parcel, _response(self.vector["response"]), work, self.settings)
            acknowledged = work.log.acknowledged(self.relation)
        answer = "accept" if isinstance(verdict, delivery.Delivered) else "reject"
        yield from _compare("answer", answer, self.expect["answer"])
        yield from _compare("acknowledged", acknowledged, self.expect["acknowledged_after"]["seq"])
        if isinstance(verdict, delivery.Delivered):
            for each in self.expect["per_entry"]:
                mine = verdict.exceptions.get(each["seq"], Outcome("processed"))
                yield from _compare(f"outcome of {each['seq']}", mine.outcome, each["outcome"])
                if each["problem"] is not None:
                    yield from _compare(f"problem of {each['seq']}", _fragment(mine.problem), each["problem"])


def _know_objects(work: MemoryWork, body: bytes) -> None:
    """What the sender had said: so that a refusal finds its author's object."""
    for line in body.split(b"\n")[1:-1]:
        document = documents.loads(line)
        said = document["object"]
        stored = Stored(said["id"], said["type"], document["actor"], document["audience"])
        work.rows.objects[said["id"]] = ObjectRow(stored, said, None)


def _request(given: Vector) -> Request:
    body = b"".join(_item(item) + b"\n" for item in given["body_lines"])
    url = f"https://{given['authority']}{given['target']}"
    return Request(given["method"], url, Headers(tuple(pair) for pair in given["headers"]), body)


def _response(given: Vector) -> Response:
    return Response(
        given["status"], Headers(tuple(pair) for pair in given["headers"]), given["body_utf8"].encode()
    )


def _item(item: object) -> bytes:
    if isinstance(item, str):
        return item.encode()
    parts: list[Any] = item["parts"] if isinstance(item, dict) else []
    return b"".join(
        part.encode() if isinstance(part, str) else part["repeat"].encode() * part["times"] for part in parts
    )


def _entry(known: Vector) -> Entry:
    entry = known["entry"]
    return Entry(
        entry["seq"],
        entry["activity"],
        entry["type"],
        entry["contentDigest"],
        entry["time"],
        entry["prev"],
        known["entryHash"],
    )


def _problem(fragment: object) -> dict[str, object] | None:
    return {"type": f"{CONTEXT[2]}#{fragment}"} if isinstance(fragment, str) else None


def _fragment(problem: Any) -> str:
    return str((problem or {}).get("type", "")).rpartition("#")[2]


def _compare(what: str, mine: object, expected: object) -> Iterator[str]:
    if mine != expected:
        yield f"{what}: {mine!r}, expected {expected!r}"


def _check_receipt(answer: Vector, expected: Vector) -> Iterator[str]:
    for name, value in expected.items():
        if name == "exceptions":
            mine = [(each["seq"], each["outcome"]) for each in answer.get("exceptions", ())]
            yield from _compare("exceptions", mine, [(each["seq"], each["outcome"]) for each in value])
        else:
            yield from _compare(f"receipt {name}", answer.get(name), value)
