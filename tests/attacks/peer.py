"""A partner that lies: it says anything, with any key, to the doors of a real node.

    def test_a_partner_renames_a_space_of_ours(fence: Fence) -> None:
        group = {"id": fence.bridge, "type": "Group", "name": "Ours now"}
        fence.refuses("out-of-scope", fence.liar.says("Update", object=group))

Rule: it was peered honestly, and from then on keeps its own log and asks none of our checks. What it says is written
here and proved with the key that it holds, not by the code under test that would refuse to say so.
Source: PROTOCOL 2.b, 2.i; SECURITY, section 1.
"""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from werkzeug.test import Client

from federation import activity as activities
from federation import documents, exchange, proofs, signatures
from federation.activity import CONTEXT, Activity, Document, new_id
from federation.digest import content_digest
from federation.exchange import MEDIA_TYPE as BATCH
from federation.http import Headers, Request, Response
from federation.keys import SigningKey
from federation.ports import Entry
from node.core.clock import rfc3339
from node.exchange import service
from tests.node.spaces.world import House

ACTIVITY = "application/activity+json"
_ADDRESSES = itertools.count()


@dataclass(frozen=True)
class Said:
    """What was said, and what the node answered. `outcomes` are (outcome, problem) of the lines, in order."""

    request: Request
    response: Response
    entries: Sequence[Entry] = ()
    outcomes: Sequence[tuple[str, str]] = ()

    @property
    def problem(self) -> str:
        """The fragment of the problem type: of the answer, or of the only line."""
        if self.response.status != 200:
            return fragment(json.loads(self.response.body or b"{}").get("type", ""))
        return self.outcomes[0][1] if self.outcomes else ""

    @property
    def outcome(self) -> str:
        """Of the only line."""
        return self.outcomes[0][0] if self.outcomes else ""


def fragment(problem: str) -> str:
    return problem.rpartition("#")[2] if "#" in problem else ""


@dataclass
class Liar:
    """The house `self.house` as its administrator's enemy would run it, before the doors of `victim`."""

    house: House
    victim: House
    keys: dict[str, SigningKey] = field(default_factory=dict)
    stream: str = ""
    agreement: str = ""
    seq: int = 0
    head: str = ""

    def __post_init__(self) -> None:
        self.take_over()

    @property
    def node(self) -> str:
        return self.house.iri

    @property
    def origin(self) -> str:
        return self.house.origin

    def take_over(self) -> None:
        """Go on where the node that we attack says that our log ends."""
        with service.open_reading(self.victim.ground) as work:
            relation = work.peers.of_node(self.node)
            assert relation is not None
            head = work.streams.head(relation)
            self.stream, self.agreement = relation.stream_in, relation.agreement_digest
            self.seq, self.head = head.seq, head.entry_hash

    def key(self, actor: str) -> SigningKey:
        """The key of an actor: its real one where this node has it, else one that was made up."""
        if actor not in self.keys:
            ours = actor == self.node or actor.startswith(self.origin + "/")
            with service.open_reading(self.house.ground) as work:
                known = work.actors.digest(actor) is not None if ours else False
                self.keys[actor] = (
                    work.actors.signer(actor) if known else SigningKey.generate(f"{actor}#ed25519")
                )
        return self.keys[actor]

    def new(self, kind: str = "o") -> str:
        """A new id of ours."""
        return f"{self.origin}/{kind}/{new_id()}"

    @property
    def moment(self) -> str:
        return rfc3339(self.house.clock.now())

    # -- words

    def note(self, author: str, space: str, **members: Any) -> Document:
        """A post of `author`."""
        return {
            "id": self.new(),
            "type": "Note",
            "attributedTo": author,
            "audience": space,
            "content": "<p>A lie</p>",
            "published": self.moment,
            **members,
        }

    def writes(
        self, kind: str, *, actor: str = "", key: SigningKey | None = None, **members: Any
    ) -> Document:
        """An activity with its proof: by the key of its actor, or by `key`. `None` leaves a member out."""
        actor = actor or self.node
        plain: Document = {
            "@context": list(CONTEXT),
            "id": self.new("a"),
            "type": kind,
            "actor": actor,
            "published": self.moment,
            "salt": new_id(),
            **members,
        }
        plain = {name: value for name, value in plain.items() if value is not None}
        return proofs.sign(plain, key or self.key(actor), self.moment)

    def announces(self, space: str, inner: Document, rev: int, **members: Any) -> Document:
        """What a space of ours says that it accepted."""
        return self.writes("Announce", actor=space, audience=space, rev=rev, object=inner, **members)

    def creates(self, author: str, space: str, **members: Any) -> Said:
        """A post, straight."""
        note = self.note(author, space, **members)
        return self.says("Create", actor=author, audience=space, to=[f"{space}/members"], object=note)

    # -- the wire

    def says(self, kind: str, **members: Any) -> Said:
        """One activity as one line of our log. Members as `writes` takes them."""
        return self.delivers(self.writes(kind, **members))

    def delivers(self, *lines: Document | bytes, **changes: Any) -> Said:
        """These as the next lines of our log; `changes` as `batch` takes them."""
        request, entries = self.batch(lines, **changes)
        response = self.sends(request)
        if response.status != 200:
            return Said(request, response, entries)
        receipt = json.loads(response.body)
        refused = {each["seq"]: each for each in receipt["exceptions"]}
        outcomes = []
        for entry in entries:
            found = refused.get(entry.seq, {"outcome": "processed"})
            outcomes.append((found["outcome"], fragment((found.get("problem") or {}).get("type", ""))))
        if entries and entries[-1].seq > self.seq:
            self.seq, self.head = entries[-1].seq, entries[-1].entry_hash
        return Said(request, response, entries, outcomes)

    def batch(
        self,
        lines: Sequence[Document | bytes],
        *,
        key: SigningKey | None = None,
        log: Mapping[str, Any] | None = None,
        row: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        skew_s: int = 0,
        nonce: str = "",
    ) -> tuple[Request, list[Entry]]:
        """A signed batch. `log` changes members of `Exchange-Log`, `row` members of the rows of the manifest."""
        raws = [each if isinstance(each, bytes) else documents.dumps(each) for each in lines]
        field_ = exchange.LogField(self.stream, self.seq + 1, len(raws), self.head, self.agreement)
        field_ = replace(field_, **(log or {}))
        entries, before = [], field_.prev
        for seq, raw in enumerate(raws, field_.seq):
            entries.append(self._entry(field_.stream, seq, before, raw, row or {}))
            before = entries[-1].entry_hash
        fields = {"Content-Type": BATCH, "Exchange-Log": str(field_), **(headers or {})}
        url = f"{self.victim.origin}/exchange"
        request = Request("POST", url, Headers(fields.items()), exchange.write(entries, raws))
        return self.signs(request, key=key, skew_s=skew_s, nonce=nonce), entries

    def _entry(self, stream: str, seq: int, before: str, raw: bytes, row: Mapping[str, Any]) -> Entry:
        try:
            read: Activity | None = activities.read(raw)
        except Exception:  # noqa: BLE001 - whatever it is, it is sent
            read = None
        said = {
            "activity": read.id if read else f"{self.origin}/a/{new_id()}",
            "kind": read.type if read else "Create",
            "content": content_digest(raw),
            "time": self.moment,
            **row,
        }
        return exchange.entry(stream, seq, before, **said)

    def posts(
        self, said: Document | bytes, path: str = "/actor/inbox", key: SigningKey | None = None
    ) -> Said:
        """One activity to an inbox, signed by our node or by `key`."""
        body = said if isinstance(said, bytes) else documents.dumps(said)
        headers = Headers((("Content-Type", ACTIVITY),))
        request = self.signs(Request("POST", self.victim.origin + path, headers, body), key=key)
        return Said(request, self.sends(request))

    def gets(self, path: str, key: SigningKey | None = None) -> Response:
        """A signed GET of a path or an IRI of the victim."""
        url = path if path.startswith(self.victim.origin) else self.victim.origin + path
        return self.sends(self.signs(Request("GET", url, Headers((("Accept", ACTIVITY),))), key=key))

    def signs(
        self, request: Request, *, key: SigningKey | None = None, skew_s: int = 0, nonce: str = ""
    ) -> Request:
        """The request signed by the node key, or by `key`."""
        created = int(self.house.clock.now().timestamp()) + skew_s
        nonce = nonce or secrets.token_urlsafe(16)
        return signatures.sign_request(request, key or self.key(self.node), created=created, nonce=nonce)

    def answers(
        self, request: Request, honest: Response, *, key: SigningKey | None = None, **members: Any
    ) -> Response:
        """To a batch of the victim: our real node's receipt with other `members`, both proofs by `key` or its own.
        `None` leaves a member out.
        """
        plain = {**proofs.unsigned(json.loads(honest.body)), **members}
        plain = {name: value for name, value in plain.items() if value is not None}
        by, created = key or self.key(self.node), int(self.house.clock.now().timestamp())
        body = documents.dumps(proofs.sign(plain, by, self.moment))
        unsigned = Response(200, Headers((("Content-Type", ACTIVITY),)), body)
        return signatures.sign_response(unsigned, request, by, created)

    def sends(self, request: Request) -> Response:
        """Exactly these bytes to the door, each time from another address: what a rate holds up, others ask."""
        address = f"127.{next(_ADDRESSES) % 250}.{next(_ADDRESSES) // 250 % 250}.{next(_ADDRESSES) % 250}"
        answer = Client(self.victim.app).open(
            request.url.removeprefix(self.victim.origin),
            base_url=self.victim.origin,
            method=request.method,
            headers=list(request.headers),
            data=request.body,
            environ_overrides={"REMOTE_ADDR": address},
        )
        response = Response(answer.status_code, Headers(list(answer.headers)), answer.get_data())
        answer.close()
        return response
