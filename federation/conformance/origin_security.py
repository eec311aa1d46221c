"""`own-origin-security`: who may say what, where the crypto is given and the decision begins at authority.

The activity is completed to the form of the wire (a file leaves out times, the reason of a recall, and the space where
there is only one), proved by the key that the file names, and taken through the real walks on a host in memory. Whoever
has no relation is tried as a lie that a partner brings, unless the file is about the request. Nothing is fetched.
Source: FORMS.md, *own-origin-security*.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from federation import activity as activities
from federation import charter, documents, exchange, handshake, iris, proofs, signatures
from federation.activity import CONTEXT, Activity, Document
from federation.adapters.memory import ObjectRow, SpaceRow, Store
from federation.conformance.result import NotApplicable, Result, expect, run_files, unknown_form
from federation.digest import content_digest, digest
from federation.errors import NAMESPACE, RemoteError
from federation.http import Headers, Request, Response
from federation.keys import SigningKey
from federation.ports import Invite, MemberNode, Relation, Role, Space, State, Stored
from federation.service import Federation
from federation.settings import Settings

Vector = dict[str, Any]

ACME, BOLT = "https://node.acme.example", "https://node.bolt.example"
SPACE = f"{ACME}/spaces/bridge"
NOW = datetime(2026, 11, 23, 15, 2, tzinfo=UTC)
MOMENT = "2026-11-23T15:00:00Z"
REV = 7

_OUTSIDE_SPACES = frozenset({"Accept", "Reject", "Offer", "Invite"})
_TOKEN = bytes(32)
_DEADLINE = "2026-11-24T15:02:00Z"


def run(folder: Path) -> Iterator[Result]:
    """Run a folder of this form."""

    def check(_path: Path, vector: Any) -> None:
        if (
            not isinstance(vector, dict)
            or "delivery" not in vector
            or vector.get("mode") not in {"open", "peer"}
        ):
            raise unknown_form()
        if vector["mode"] == "open":
            raise NotApplicable("the open mode is not offered")
        expected = _EXPECTED.get(vector["expect"])
        if expected is None:
            raise unknown_form()
        expected(_World(vector))

    return run_files(folder, check)


class _World:
    """The host that decides, as the file describes it."""

    def __init__(self, vector: Vector) -> None:
        self.vector, self.state = vector, vector["local_state"]
        self.origin: str = self.state.get("receiver", ACME)
        self.node, self.partner = f"{self.origin}/actor", f"{BOLT if self.origin == ACME else ACME}/actor"
        self.line = b""
        self.signers: dict[str, SigningKey] = {}
        self.store = Store(self.node, clock=lambda: NOW)
        self.settings = Settings(node=self.node, origin=self.origin, name=self.node)
        self.federation = Federation(self.settings, self.store.open_work)
        self.prover = _actor_of(vector["delivery"]["http_signature_valid_for_keyId"])
        self._fill()

    # -- the world

    def key(self, actor: str) -> SigningKey:
        """The key of an actor; all are made up, and hold."""
        return self.signers.setdefault(actor, SigningKey.generate(f"{actor}#ed25519"))

    def _fill(self) -> None:
        rows = self.store.rows
        for own in (self.node, SPACE):
            if own.startswith(self.origin + "/"):
                self.store.signers[own] = self.key(own)
        rows.relations[self.partner] = self._relation()
        for actor in {self.prover, *self.vector["remote_world"], *self.state.get("known_actors", ())}:
            self._know(actor)
        nodes = [
            MemberNode(f"{each}/actor", each, self.key(f"{each}/actor").public.multibase, role, MOMENT)
            for each, role in ((ACME, "host"), (BOLT, "member"))
        ]
        hosted = self.origin == ACME
        space = Space(SPACE, f"{ACME}/actor", hosted, rev=REV, first_rev=1, roster_version=1, active=True)
        rows.spaces[SPACE] = SpaceRow(space, members=dict(self._members()), nodes=nodes)
        for each in self.state.get("objects", {}).values():
            stored = Stored(each["id"], each["type"], each["attributedTo"], each.get("audience", SPACE))
            rows.objects[each["id"]] = ObjectRow(stored, each, rev=1)
        for name, invite in self.state.get("invites", {}).items():
            rows.invitations[name] = (invite["space"], invite["for"], True if invite["used"] else None)

    def _know(self, actor: str) -> None:
        rows = self.store.rows
        key = self.key(actor)
        rows.keys[key.key_id] = key.public
        rows.documents[actor] = {"id": actor, "type": "Group" if actor == SPACE else "Person", "name": actor}
        rows.introduced[self.partner, actor] = digest(rows.documents[actor])

    def _members(self) -> Iterator[tuple[str, Role]]:
        """The people of both nodes unless the file lists them; managers are those of the space's own list."""
        world = self.vector["remote_world"]
        found: Iterable[str] = (
            name for name in world if name.startswith((f"{ACME}/users/", f"{BOLT}/users/"))
        )
        managers = world.get(f"{SPACE}/moderators", {}).get("body", {}).get("orderedItems", ())
        for actor in self.state.get("members", {}).get(SPACE, found):
            if actor not in managers:
                yield actor, Role.MEMBER
        yield from ((actor, Role.MANAGER) for actor in managers)

    def _relation(self) -> Relation:
        ours, theirs = (
            charter.Party(
                node, node, "partner", (), "", (self.key(node).public.multibase,), f"{node}/log", ""
            )
            for node in (self.node, self.partner)
        )
        agreement = charter.draft(f"{self.origin}/peering/agreements/1", ours, theirs, NOW)
        kinds = self.state.get("agreement_objectTypes")
        if kinds is not None:
            agreement["scope"]["objectTypes"] = kinds
        return Relation(
            id=self.partner,
            node=self.partner,
            name=self.partner,
            state=State(self.state.get("agreement_state", State.IN_FORCE)),
            keys=(self.key(self.partner).public,),
            inbox=f"{self.partner}/inbox",
            exchange=f"{_origin(self.partner)}/exchange",
            invite="",
            stream_in=theirs.stream,
            stream_out=ours.stream,
            agreement=agreement,
            agreement_digest=digest(agreement),
            genesis=digest(agreement),
        )

    # -- what is said

    def activity(self) -> Activity:
        """The activity of the file, completed, proved by the actor that it names, and read from its `line`.

        The proof covers no `bto` or `bcc`, which a sender takes out before (ActivityPub 6).
        """
        said: Document = self.vector["delivery"]["activity"]
        plain = {**self._completed(said), "@context": list(CONTEXT)}
        if plain["type"] == "Announce" and isinstance(plain.get("object"), dict):
            plain = {"rev": REV + 1, **plain, "object": self._inside(plain["object"])}
        signed = proofs.sign(documents.without_hidden(plain), self.key(self.prover), MOMENT)
        self.line = documents.dumps({**plain, "proof": signed["proof"]})
        return activities.read(self.line)

    def _completed(self, said: Document) -> Document:
        plain = {"published": MOMENT, **proofs.unsigned(said)}
        if plain["type"] not in _OUTSIDE_SPACES:
            plain.setdefault("audience", SPACE)
        spoken = plain.get("object")
        if isinstance(spoken, dict) and plain["type"] in {"Create", "Update"}:
            plain["object"] = {"audience": SPACE, **spoken}
        if "recall" in plain:
            plain["recall"] = {"reason": f"{NAMESPACE}#mistake", "deadline": _DEADLINE, **plain["recall"]}
        return plain

    def _inside(self, said: Document) -> Document:
        """What is announced: with a proof of its own where the file says that it has a good one."""
        plain = self._completed(said)
        plain["@context"] = list(CONTEXT)
        proof = said.get("proof")
        if not isinstance(proof, dict) or proof.get("test_proof_valid") is not True:
            return plain
        owner = _actor_of(proof["verificationMethod"])
        self._know(owner)
        return proofs.sign(plain, self.key(owner), MOMENT)

    # -- the doors

    def exchange(self, activity: Activity, node: str) -> Response:
        """The activity as the next entry of the log of the partner, under the signature of `node`."""
        relation = self.store.rows.relations[self.partner]
        entry = exchange.entry(
            relation.stream_in,
            1,
            relation.genesis,
            activity.id,
            activity.type,
            content_digest(self.line),
            MOMENT,
        )
        field = exchange.LogField(relation.stream_in, 1, 1, relation.genesis, relation.agreement_digest)
        headers = Headers((("Content-Type", exchange.MEDIA_TYPE), ("Exchange-Log", str(field))))
        body = exchange.write([entry], [self.line])
        return self.federation.receive_batch(self._signed(self.settings.exchange, headers, body, node))

    def inbox(self, activity: Activity, node: str) -> Response:
        """The activity by itself, as what must pass while the stream waits."""
        headers = Headers((("Content-Type", "application/activity+json"),))
        return self.federation.receive_single(self._signed(f"{self.node}/inbox", headers, activity.raw, node))

    def _signed(self, url: str, headers: Headers, body: bytes, node: str) -> Request:
        request = Request("POST", url, headers, body)
        created = int(NOW.timestamp())
        return signatures.sign_request(request, self.key(node), created=created, nonce=activities.new_id())

    def outcome(self, activity: Activity) -> tuple[str, str]:
        """What became of the line that the partner brings, and the fragment of the problem."""
        response = self.exchange(activity, self.partner)
        expect(response.status == 200, f"the batch was answered {response.status}")
        found = json.loads(response.body)["exceptions"]
        if not found:
            return "processed", ""
        (refused,) = found
        return refused["outcome"], refused.get("problem", {}).get("type", "").partition("#")[2]

    def effect(self) -> tuple[object, ...]:
        """What an activity may have changed: people, objects, what was taken, and what goes out."""
        rows = self.store.rows
        space = rows.spaces[SPACE]
        return (
            dict(space.members),
            {name: (row.stored, row.document) for name, row in rows.objects.items()},
            dict(rows.seen),
            {name: list(entries) for name, entries in rows.out.items()},
            dict(rows.relations),
        )


# -- the decisions


def _applied(world: _World) -> Activity:
    """The activity, applied; raises Differs where it was not."""
    activity = world.activity()
    if world.state.get("agreement_state") == State.SUSPENDED:
        answer = world.inbox(activity, world.partner)
        expect(answer.status == 202, f"answered {answer.status}")
    else:
        outcome = world.outcome(activity)
        expect(outcome == ("processed", ""), f"outcome: {outcome}")
    expect(activity.id in world.store.rows.seen, "it was not taken")
    return activity


def _accept(world: _World) -> None:
    activity = _applied(world)
    rows = world.store.rows
    match activity.type:
        case "Create" | "Update":
            row = rows.objects.get(str(activity.object_id))
            expect(row is not None and row.document == activity.object, "the object is not what was said")
        case "Delete":
            expect(rows.objects[str(activity.object_id)].stored.type == "Tombstone", "no tombstone")
        case "Join":
            expect(activity.actor in rows.spaces[SPACE].members, "no member")
            told = [entry.type for entry in rows.out.get(world.partner, ())]
            expect({"Accept", "Announce"} <= set(told), f"said: {told}")
        case _:
            pass


def _reject(world: _World) -> None:
    """Refused as a line of the partner, whoever is said to have signed it; nothing changes."""
    try:
        activity = world.activity()
    except RemoteError:
        return  # it is not even an activity
    before = world.effect()
    outcome, _problem = world.outcome(activity)
    expect(outcome == "rejected", f"outcome: {outcome}")
    expect(world.effect() == before, "something changed")


def _reject_receipt(world: _World) -> None:
    before = world.effect()
    outcome = world.outcome(world.activity())
    expect(outcome == ("rejected", "out-of-scope"), f"outcome: {outcome}")
    expect(world.effect() == before, "something changed")


def _reject_403(world: _World) -> None:
    """Refused with the request itself, whose signer has no agreement."""
    before = world.effect()
    response = world.exchange(world.activity(), f"{_origin_of(world.prover)}/actor")
    expect(response.status == 403, f"answered {response.status}")
    expect(world.effect() == before, "something changed")
    expect(world.store.rows.notes, "nothing is on record")


def _ignore(world: _World) -> None:
    activity = world.activity()
    seen = activity.id in world.state.get("seen_activities", ())
    other = world.state.get("seen_digest") == "other"
    if seen:
        world.store.rows.seen[activity.id] = content_digest(b"other") if other else activity.content_digest
    before = world.effect()
    outcome, _problem = world.outcome(activity)
    expect(outcome == ("duplicate" if seen else "processed"), f"outcome: {outcome}")
    expect(world.effect() == before or not seen, "something changed")


def _accept_sanitise(world: _World) -> None:
    """Applied, and kept as it came; what is shown of it, the host makes harmless."""
    activity = _applied(world)
    kept = world.store.rows.activities[activity.id]
    expect(kept.raw == activity.raw, "the bytes are not kept as received")


def _accept_strip(world: _World) -> None:
    """Applied; what is kept, and so sent on, names no hidden reader at any level."""
    activity = _applied(world)
    kept = world.store.rows.activities[activity.id]
    expect(not any(name in kept.raw for name in (b'"bto"', b'"bcc"')), "bto or bcc is kept")


def _warn(world: _World) -> None:
    """An acceptance of an invitation makes no partner by itself: two people compare the keys first."""
    said = world.vector["delivery"]["activity"]
    inviter, invited = world.node, said["actor"]
    key = world.key(invited)
    world.store.rows.invites[said["object"]] = Invite(
        said["object"], _TOKEN, _DEADLINE, used=False, failures=0, expected_host=None
    )
    binding: Document = {
        "invite": said["object"],
        "from": invited,
        "to": inviter,
        "key": key.public.multibase,
    }
    binding["mac"] = handshake.mac(_TOKEN, binding)
    plain = {"@context": list(CONTEXT), "published": MOMENT, **said, "inviteBinding": binding}
    accepted = activities.read(documents.dumps(proofs.sign(plain, key, MOMENT)))
    answer = world.inbox(accepted, invited)
    expect(answer.status == 202, f"answered {answer.status}")
    relation = world.store.rows.relations[invited]
    expect(relation.state is State.KEYS_EXCHANGED, f"the relation is {relation.state}")
    expect("xn--" in relation.node, "the name is not shown as it is")


_EXPECTED = {
    "accept": _accept,
    "reject": _reject,
    "reject-receipt": _reject_receipt,
    "reject-403": _reject_403,
    "reject-403-log": _reject_403,
    "ignore-202": _ignore,
    "accept-strip": _accept_strip,
    "accept-sanitise": _accept_sanitise,
    "warn": _warn,
}


# -- small things


def _actor_of(key_id: str) -> str:
    """Whose key it is: what stands before `#`, or before the last `/` in front of a key name."""
    actor, mark, _ = key_id.partition("#")
    return actor if mark else key_id.rpartition("/")[0]


def _origin(node: str) -> str:
    return node.rpartition("/")[0]


def _origin_of(actor: str) -> str:
    return iris.origin(actor)
