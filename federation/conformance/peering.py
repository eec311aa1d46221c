"""`own-peering-profile`: handshake, agreement, exchange log, receipts, replica digest and recall.

A file is known by its content. What decides runs through the real walks on a host in memory; what belongs
to later versions (checkpoints, erasure receipts, replica statements) is checked by the leaf functions.
Source: FORMS.md, *own-peering-profile*.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from federation import activity as activities
from federation import (
    charter,
    digest,
    documents,
    ending,
    exchange,
    handshake,
    jcs,
    merkle,
    offers,
    proofs,
    receipts,
    replica,
    signatures,
)
from federation.activity import Activity, Document
from federation.adapters.memory import ObjectRow, SpaceRow, Store
from federation.conformance.result import Differs, Result, expect, load, run_files, unknown_form, vectors
from federation.errors import BadProof, RemoteError
from federation.http import Headers, Request
from federation.keys import PublicKey, SigningKey, fingerprint
from federation.ports import Invite, MemberNode, Relation, Role, Space, State, Stored
from federation.service import Federation
from federation.settings import Settings

Vector = dict[str, Any]

ONE_MINUTE = timedelta(minutes=1)
PLAIN = frozenset({"Application", "Update", "Undo", "DeliveryReceipt"})


@dataclass(frozen=True)
class Folder:
    """What its files share: keys, the agreement, its Offer and Accept, the activity that receipts answer."""

    keys: Mapping[str, PublicKey]
    secrets: Mapping[str, SigningKey]
    agreement: Document
    offer: Document
    accept: Document
    wire: Vector

    def verify(self, document: Document) -> None:
        """Raise BadProof unless the proof holds, by a key of the folder that belongs to the owner."""
        proof = proofs.proof_of(document)
        key = self.keys.get(proof.verification_method)
        if key is None:
            raise BadProof("The key is not known.")
        proofs.verify(document, key)
        if proof.controller != documents.id_of(document.get("actor", document.get("attributedTo"))):
            raise BadProof("The proof is by another than the owner.")


def run(folder: Path) -> Iterator[Result]:
    """Run a folder of this form."""
    shared = read_folder(folder)

    def check_file(_path: Path, vector: Any) -> None:
        check(vector, shared)

    return run_files(folder, check_file)


def read_folder(folder: Path) -> Folder:
    """The shared inputs of a folder: `keys.json`, the file with `agreement`, the one with `wire_body_utf8`."""
    keys, secrets = {}, {}
    for each in load(folder / "keys.json")["keys"]:
        keys[each["label"]] = PublicKey.from_multibase(each["label"], each["publicKeyMultibase"])
        if "d" in each.get("jwk", {}):
            secrets[each["label"]] = SigningKey.from_raw(_bytes(each["jwk"]["d"]), each["label"])
    files = [each for path in vectors(folder) if isinstance(each := _loaded(path), dict)]
    agreed: Vector = next((each for each in files if "agreement" in each), {})
    wire: Vector = next((each for each in files if "wire_body_utf8" in each), {})
    return Folder(
        keys,
        secrets,
        agreed.get("agreement", {}),
        agreed.get("offer", {}),
        agreed.get("accept", {}),
        wire,
    )


def _loaded(path: Path) -> Any:
    """The file as JSON, or None: what cannot be read fails when its turn comes, not the folder."""
    try:
        return load(path)
    except ValueError:
        return None


def check(vector: Vector, folder: Folder) -> None:
    """Raise Differs, or what the library raises, when something is not as the file expects."""
    checks = _check_of(vector)
    if checks is None:
        raise unknown_form()
    checks(vector, folder)


def _check_of(vector: Vector) -> Any:
    for needed, checks in _FORMS:
        if needed <= vector.keys():
            return checks
    return _plain if vector.get("type") in PLAIN else None


# -- documents, receipts, recall


def _plain(vector: Vector, folder: Folder) -> None:
    if vector["type"] != "Application":
        folder.verify(vector)
        if vector["type"] in {"Update", "Undo"} and folder.agreement:
            _life(_read(vector), folder)
        return
    methods = documents.as_list(vector.get("assertionMethod"))
    expect(methods, "the node actor has no key")
    for method in methods:
        key = PublicKey.from_multibase(method["id"], method["publicKeyMultibase"])
        expect(key.controller == method["controller"] == vector["id"], "a key belongs to another")


def _life(said: Activity, folder: Folder) -> None:
    """What one party says of the agreement in force, taken in by the other."""
    other = next(each["node"] for each in folder.agreement["parties"] if each["node"] != said.actor)
    store = _store(other, _moment(said.published) + ONE_MINUTE)
    store.rows.relations[said.actor] = replace(
        _relation(said.actor, folder),
        state=State.IN_FORCE,
        agreement=folder.agreement,
        agreement_digest=digest.digest(folder.agreement),
        offer=folder.offer["id"],
        accept=folder.accept["id"],
        offered_by_us=folder.offer["actor"] == other,
    )
    take = ending.take_standing if said.type == "Update" else ending.take_termination
    with store.open_work() as work:
        take(said, store.rows.relations[said.actor], work)
    seen = store.rows.relations[said.actor]
    expect(seen.state is State.SUSPENDED or seen.ends == said.document.get("startTime"), "it had no effect")


def _wire(vector: Vector, folder: Folder) -> None:
    body = vector["wire_body_utf8"].encode()
    expect(documents.loads(body) == vector["activity"], "the bytes are another activity")
    expect(digest.content_digest(body) == vector["content_digest"], "content_digest differs")
    expect(digest.object_digest(vector["activity"]) == vector["objectDigest"], "objectDigest differs")
    folder.verify(vector["activity"])


def _receipt(vector: Vector, folder: Folder) -> None:
    _decides(vector["expect"], lambda: _take_receipt(vector["receipt"], folder))


def _take_receipt(receipt: Document, folder: Folder) -> None:
    folder.verify(receipt)
    wire = folder.wire
    answered = (wire["activity"]["id"], wire["content_digest"], wire["objectDigest"])
    named = (receipt.get("object"), receipt.get("contentDigest"), receipt.get("objectDigest"))
    if named != answered or receipt.get("outcome") not in receipts.OUTCOMES:
        raise BadProof("The receipt is for something else.")


def _recall(vector: Vector, folder: Folder) -> None:
    recall = vector["delete"]
    body = documents.dumps(recall)
    for document in (recall, vector["erasure_receipt"], vector["hold_receipt"]):
        folder.verify(document)
        if document is not recall:
            expect(document["object"] == recall["id"], "a receipt names another activity")
            expect(document["contentDigest"] == digest.content_digest(body), "contentDigest differs")


# -- handshake


def _invite(vector: Vector, folder: Folder) -> None:
    link, accepted = handshake.read_link(vector["invite_link"]), vector["accept_activity"]
    token = _bytes(vector["invite_token_b64url"])
    binding = accepted["inviteBinding"]
    inviting, invited = folder.keys[f"{binding['to']}#ed25519"], folder.keys[f"{binding['from']}#ed25519"]
    expect(link.token == token and link.invite == binding["invite"], "the link says something else")
    expect(
        fingerprint(inviting.raw) == vector["fingerprint_A"] == link.key_fingerprint, "fingerprint_A differs"
    )
    bound = PublicKey.from_multibase(invited.key_id, binding["key"])
    expect(fingerprint(bound.raw) == vector["fingerprint_B"], "fingerprint_B differs")
    plain = {name: value for name, value in binding.items() if name != "mac"}
    expect(jcs.canonicalize(plain).decode() == vector["jcs_binding"], "jcs_binding differs")
    expect(handshake.mac(token, binding) == vector["mac"], "mac differs")
    groups = " ".join(handshake.groups(binding["invite"], inviting, bound))
    expect(groups == vector["sas"], "sas differs")
    expires = f"{_after(vector) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    open_invite = Invite(binding["invite"], token, expires, used=False, failures=0, expected_host=None)
    store = _store(binding["to"], _after(vector))
    store.rows.invites[open_invite.id] = open_invite
    _introduce(accepted, store)
    _expect_state(store, binding["from"], State.KEYS_EXCHANGED)


def _introduction(vector: Vector, folder: Folder) -> None:  # noqa: ARG001 - the key is the bound one
    store = _store(vector["state"]["self"], _after(vector))
    for each in vector["state"]["invites"]:
        store.rows.invites[each["id"]] = Invite(
            id=each["id"],
            token=_bytes(each["token_b64url"]),
            expires=each["expires"],
            used=each["used"],
            failures=0,
            expected_host=each["expectedDomain"],
        )
    _decides(vector["expect"], lambda: _introduce(vector["activity"], store))
    expect(bool(store.rows.relations) == (vector["expect"] == "accept"), "a relation began, or did not")


def _introduce(accepted: Document, store: Store) -> None:
    settings = _settings(store.node)
    with store.open_work() as work:
        handshake.admit(handshake.introduced(None, _read(accepted), work, settings), work)


# -- agreement


def _agreement(vector: Vector, folder: Folder) -> None:
    agreement = vector["agreement"]
    mine = digest.digest(agreement)
    expect(mine == vector["digestMultibase"], "digestMultibase differs")
    expect(
        vector["offer"]["objectDigest"] == vector["accept"]["objectDigest"] == mine, "objectDigest differs"
    )
    store = _agree(vector, folder)
    _expect_state(store, vector["accept"]["actor"], State.IN_FORCE)


def _offer(vector: Vector, folder: Folder) -> None:
    _decides(vector["expect"], lambda: _agree(vector, folder))


def _agree(vector: Vector, folder: Folder) -> Store:
    """Both sides: the one to which it is offered takes the Offer, the offering one takes the Accept."""
    offer, accept = _read(vector["offer"]), vector.get("accept")
    agreement = offer.object or {}
    nodes = [each["node"] for each in agreement["parties"]]
    other = next(node for node in nodes if node != offer.actor)
    taking, offering = (
        _verified(other, offer.actor, offer.document, folder),
        _verified(offer.actor, other, accept or offer.document, folder),
    )
    folder.verify(offer.document)
    with taking.open_work() as work:
        offers.take_offer(offer, taking.rows.relations[offer.actor], work)
    if accept is not None:
        folder.verify(accept)
        with offering.open_work() as work:
            work.agreements.offered(
                offering.rows.relations[other], offer, agreement, digest.digest(agreement)
            )
        with offering.open_work() as work:
            offers.accept(_read(accept), offering.rows.relations[other], work)
    return offering


def _verified(node: str, partner: str, said: Document, folder: Folder) -> Store:
    """The host `node` after both admins have confirmed, one minute after `said`."""
    store = _store(node, _moment(said["published"]) + ONE_MINUTE)
    store.signers.update({key.controller: key for key in folder.secrets.values() if key.controller == node})
    store.rows.relations[partner] = _relation(partner, folder)
    return store


def _relation(node: str, folder: Folder) -> Relation:
    return Relation(
        id=node,
        node=node,
        name=node,
        state=State.VERIFIED,
        keys=(folder.keys[f"{node}#ed25519"],),
        inbox=f"{node}/inbox",
        exchange=f"{node.rpartition('/')[0]}/exchange",
        invite="",
        confirmed_here=True,
        confirmed_there=True,
    )


# -- authority


def _authority(vector: Vector, folder: Folder) -> None:
    """The activity as the one line of a batch from its actor's node: whoever may not say it is refused."""
    state, activity = vector["state"], _read(vector["activity"])
    node = next(
        each["node"] for each in state["relations"] if activity.actor.startswith(_origin(each["node"]) + "/")
    )
    store = _store(state["self"], _after(vector))
    signer = folder.secrets[f"{node}#ed25519"]
    store.signers[state["self"]] = SigningKey.generate(f"{state['self']}#ed25519")
    store.rows.keys.update(folder.keys)
    relation = _in_force(state, node, folder, store.clock())
    store.rows.relations[node] = relation
    for space in state["spaces"]:
        hosted = space["host"] == state["self"]
        if hosted:
            store.signers[space["id"]] = SigningKey.generate(f"{space['id']}#ed25519")
        roles = dict.fromkeys(space["members"], Role.MEMBER)
        roles |= dict.fromkeys(space["moderators"], Role.MANAGER)
        store.rows.spaces[space["id"]] = SpaceRow(
            Space(space["id"], space["host"], hosted, rev=1, first_rev=0, roster_version=1, active=True),
            members=roles,
            nodes=[
                MemberNode(each, each, "", "host" if each == space["host"] else "member", "")
                for each in (space["host"], *_at_home(state, space))
            ],
        )
    for each in state["objects"]:
        stored = Stored(each["id"], each["type"], each["attributedTo"], each["audience"])
        store.rows.objects[each["id"]] = ObjectRow(stored, {}, rev=1)
    settings = _settings(state["self"])
    response = Federation(settings, store.open_work).receive_batch(
        _batch(activity, relation, signer, settings, store.clock())
    )
    receipt = documents.loads(response.body)
    expect(response.status == 200, f"the batch was answered {response.status}")
    outcomes = [each["outcome"] for each in receipt["exceptions"]]
    expect(outcomes == (["rejected"] if vector["expect"] == "reject" else []), f"outcomes: {outcomes}")


def _at_home(state: Vector, space: Vector) -> Iterator[str]:
    """The partners that have people in a space."""
    for each in state["relations"]:
        if any(member.startswith(_origin(each["node"]) + "/") for member in space["members"]):
            yield each["node"]


def _in_force(state: Vector, node: str, folder: Folder, now: datetime) -> Relation:
    """The relation with `node`, under a charter that covers all that is in the file."""
    ours, theirs = (
        charter.Party(each, each, role, (), _origin(each), (), f"{_origin(each)}/streams/1", "")
        for each, role in ((state["self"], "host"), (node, "partner"))
    )
    agreement = charter.draft(f"{_origin(state['self'])}/peering/agreements/1", ours, theirs, now)
    return replace(
        _relation(node, folder),
        state=State(next(each["state"] for each in state["relations"] if each["node"] == node)),
        agreement=agreement,
        agreement_digest=digest.digest(agreement),
        genesis=digest.digest(agreement),
        stream_in=theirs.stream,
        stream_out=ours.stream,
    )


def _batch(
    activity: Activity, relation: Relation, signer: SigningKey, settings: Settings, now: datetime
) -> Request:
    entry = exchange.entry(
        relation.stream_in,
        1,
        relation.genesis,
        activity.id,
        activity.type,
        activity.content_digest,
        activity.published,
    )
    log = exchange.LogField(relation.stream_in, 1, 1, relation.genesis, relation.agreement_digest)
    headers = Headers((("Content-Type", exchange.MEDIA_TYPE), ("Exchange-Log", str(log))))
    request = Request("POST", settings.exchange, headers, exchange.write([entry], [activity.raw]))
    return signatures.sign_request(request, signer, created=int(now.timestamp()), nonce=activities.new_id())


# -- exchange log, checkpoints, replica


def _log(vector: Vector, folder: Folder) -> None:
    entries, prev = vector["entries"], vector["genesis"]
    for each in entries:
        entry = each["entry"]
        expect(entry["prev"] == prev, f"prev of {entry['seq']} is not the hash before")
        expect(jcs.canonicalize(entry).decode() == each["jcs"], f"jcs of {entry['seq']} differs")
        prev = _hash_of(entry)
        expect(prev == each["entryHash"], f"entryHash of {entry['seq']} differs")
    leaves = [digest.sha256_of(each["entryHash"]) for each in entries]
    root = merkle.root(leaves)
    expect(digest.multibase_of(root) == vector["root"], "root differs")
    for name in vector:
        if name.startswith("inclusion_seq_"):
            index = int(name.rpartition("_")[2]) - entries[0]["entry"]["seq"]
            path = merkle.inclusion_path(leaves, index)
            expect([digest.multibase_of(each) for each in path] == vector[name], f"{name} differs")
            expect(merkle.verify_inclusion(leaves[index], index, len(leaves), path, root), f"{name} fails")
    checkpoint = vector["checkpoint"]
    folder.verify(checkpoint)
    expect(
        (checkpoint["size"], checkpoint["head"], checkpoint["root"])
        == (len(entries), entries[-1]["entryHash"], vector["root"]),
        "the checkpoint says something else",
    )


def _reading(vector: Vector, folder: Folder) -> None:  # noqa: ARG001 - a chain needs no key
    entries: Sequence[Vector] = vector["entries"]
    known = {entry["seq"] for entry in entries}
    lacking = [seq for seq in range(min(known), max(known)) if seq not in known]
    bad = [
        later["seq"]
        for earlier, later in pairwise(entries)
        if later["seq"] == earlier["seq"] + 1 and later["prev"] != _hash_of(earlier)
    ]
    match vector["expect"]:
        case "gap":
            expect(lacking == vector["missing_seq"] and not bad, f"missing {lacking}, bad {bad}")
        case "divergence":
            expect(not lacking and bad[:1] == [vector["first_bad_seq"]], f"missing {lacking}, bad {bad}")
        case other:
            raise Differs(f"unknown form: expect {other}")


def _checkpoints(vector: Vector, folder: Folder) -> None:
    expect(vector["expect"] == "equivocation", "unknown form: expect")
    for each in vector["checkpoints"]:
        folder.verify(each)
    expect(len({(each["stream"], each["size"]) for each in vector["checkpoints"]}) == 1, "several logs")
    expect(len({each["head"] for each in vector["checkpoints"]}) > 1, "one head: no fork")


def _replica(vector: Vector, folder: Folder) -> None:
    leaves = [replica.Leaf(**each) for each in vector["leaves"]]
    buckets, empty = replica.buckets(leaves), replica.buckets(())
    mine = {
        f"{number:02x}": digest.multibase_of(each)
        for number, each in enumerate(buckets)
        if each != empty[number]
    }
    expect(mine == vector["nonempty_buckets"], "nonempty_buckets differ")
    expect(digest.multibase_of(replica.root(buckets)) == vector["root"], "root differs")
    expect(digest.multibase_of(replica.root(empty)) == vector["empty_root"], "empty_root differs")
    statement = vector["statement"]
    folder.verify(statement)
    expect((statement["count"], statement["root"]) == (len(leaves), vector["root"]), "the statement differs")
    faults = vector["replica_with_two_faults"]
    faulty = replica.buckets(
        replace(leaf, digest=digest.digest_of_bytes(b"changed"))
        if leaf.id == faults["leaves_changed"]
        else leaf
        for leaf in leaves
        if leaf.id != faults["leaf_missing"]
    )
    expect(digest.multibase_of(replica.root(faulty)) == faults["root"], "root with faults differs")
    differing = [f"{number:02x}" for number in replica.differing(buckets, faulty)]
    expect(differing == faults["differing_buckets"], f"differing_buckets: {differing}")


def _by_state(vector: Vector, folder: Folder) -> None:
    if "inviteBinding" in vector["activity"] and "invites" in vector["state"]:
        _introduction(vector, folder)
    elif "objects" in vector["state"]:
        _authority(vector, folder)
    else:
        raise unknown_form()


#: The keys that a file must have -> its check; the first that fits. A plain document is known by its `type`.
_FORMS: tuple[tuple[frozenset[str], Any], ...] = (
    (frozenset({"accept_activity", "invite_link"}), _invite),
    (frozenset({"agreement", "offer", "accept"}), _agreement),
    (frozenset({"offer", "expect"}), _offer),
    (frozenset({"activity", "wire_body_utf8"}), _wire),
    (frozenset({"activity", "state", "expect"}), _by_state),
    (frozenset({"entries", "genesis"}), _log),
    (frozenset({"entries", "expect"}), _reading),
    (frozenset({"checkpoints", "expect"}), _checkpoints),
    (frozenset({"receipt", "expect"}), _receipt),
    (frozenset({"leaves", "root"}), _replica),
    (frozenset({"delete", "erasure_receipt", "hold_receipt"}), _recall),
)


# -- small things


def _decides(expected: str, decide: Any) -> None:
    if expected not in {"accept", "reject"}:
        raise Differs(f"unknown form: expect {expected}")
    try:
        decide()
    except RemoteError as error:
        if expected == "accept":
            raise Differs(f"refused: {error.detail}") from error
        return
    expect(expected == "accept", "accepted")


def _expect_state(store: Store, node: str, state: State) -> None:
    expect(store.rows.relations[node].state is state, f"the relation is not {state}")


def _hash_of(entry: Vector) -> str:
    return exchange.entry(
        entry["stream"],
        entry["seq"],
        entry["prev"],
        entry["activity"],
        entry["type"],
        entry["contentDigest"],
        entry["time"],
    ).entry_hash


def _store(node: str, now: datetime) -> Store:
    return Store(node, clock=lambda: now)


def _settings(node: str) -> Settings:
    return Settings(node=node, origin=_origin(node), name=node)


def _origin(node: str) -> str:
    return node.rpartition("/")[0]


def _read(document: Document) -> Activity:
    return activities.read(documents.dumps(document))


def _after(vector: Vector) -> datetime:
    """`now`, else one minute after the newest `published` in the file."""
    if "now" in vector:
        return datetime.fromtimestamp(vector["now"], UTC)
    newest = max(
        each["published"] for each in vector.values() if isinstance(each, dict) and "published" in each
    )
    return _moment(newest) + ONE_MINUTE


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
