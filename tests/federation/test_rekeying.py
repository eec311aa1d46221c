"""Keys of a node that change, and that end: through the doors of nodes in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from federation import delivery, discovery, handshake, proofs, rekeying, signatures
from federation.activity import Document
from federation.authorship import write
from federation.errors import BadProof
from federation.http import Headers, Request, Response
from federation.keys import PublicKey, SigningKey
from federation.ports import State
from tests.federation.world import Node, Pair, enter, post_batch, three_nodes, two_nodes

DAY_S = 86400


@pytest.fixture
def pair() -> Pair:
    return two_nodes()


def fresh(node: Node, name: str) -> SigningKey:
    return SigningKey.generate(f"{node.iri}#{name}")


def actor(node: Node, *keys: PublicKey | Document) -> Document:
    document = discovery.node_actor(node.settings, ())
    methods = [key.method if isinstance(key, PublicKey) else key for key in keys]
    return {**document, "assertionMethod": methods}


def say(node: Node, to: Node, document: Document, key: SigningKey | None = None) -> Response:
    """An Update of the node's own actor document, as a single activity proved and signed by `key`."""
    signer = key or node.key
    with node.work() as work:
        said = write(
            {"type": "Update", "to": [to.iri], "object": document}, node.iri, work, node.settings, signer
        )
    return post(node, to, said.raw, signer)


def post(node: Node, to: Node, body: bytes, key: SigningKey) -> Response:
    unsigned = Request(
        "POST", f"{to.iri}/inbox", Headers((("Content-Type", "application/activity+json"),)), body
    )
    nonce = f"nonce-{len(to.store.rows.nonces)}-0123456789"
    return to.federation.receive_single(
        signatures.sign_request(unsigned, key, created=int(node.clock.now.timestamp()), nonce=nonce)
    )


def announce(node: Node, to: Node, key: SigningKey) -> Response:
    document = actor(node, node.key.public, key.public)
    return say(node, to, rekeying.announcement(document, node.key, key, node.clock.moment))


def switch(node: Node, key: SigningKey, days: float = 14) -> Document:
    """The new key signs; the former one is named with its end."""
    former = node.key.public
    node.clock.advance(1)
    ends = node.clock.now.timestamp() + days * DAY_S
    node.key = node.store.signers[node.iri] = key
    moment = f"{node.clock.now.fromtimestamp(ends, tz=node.clock.now.tzinfo):%Y-%m-%dT%H:%M:%SZ}"
    return proofs.sign(actor(node, key.public, replace(former, expires=moment)), key, node.clock.moment)


def keys(of: Node, at: Node) -> list[str]:
    return [key.key_id.partition("#")[2] for key in at.relation(of).keys]


def unchanged(node: Node, act: Any) -> Response:
    """What is refused at the door: nothing but nonces and the audit log is another afterwards."""
    before = dict(vars(node.store.rows.copy()))
    answer: Response = act()
    after = vars(node.store.rows)
    assert {n for n in before if before[n] != after[n]} <= {"nonces", "notes"}
    assert answer.status >= 400
    return answer


def test_a_new_key_is_taken_in_beside_the_old_one(pair: Pair) -> None:
    new = fresh(pair.south, "two")
    assert announce(pair.south, pair.north, new).status == 202
    assert keys(pair.south, pair.north) == ["ed25519", "two"]


def test_both_keys_pass_in_the_overlap_and_then_the_new_one_alone(pair: Pair) -> None:
    old, new = pair.south.key, fresh(pair.south, "two")
    announce(pair.south, pair.north, new)
    assert say(pair.south, pair.north, switch(pair.south, new)).status == 202
    assert keys(pair.south, pair.north) == ["two", "ed25519"]
    document = pair.north.store.rows.documents[pair.south.iri]
    assert say(pair.south, pair.north, document, old).status == 202
    pair.clock.advance(15 * DAY_S)
    assert unchanged(pair.north, lambda: say(pair.south, pair.north, document, old)).status == 401
    assert say(pair.south, pair.north, document, new).status == 202


def test_what_waited_through_a_rotation_arrives(pair: Pair) -> None:
    """Posts and rosters that were proved before the change, delivered long after it."""
    pair.south.post(pair.sven, pair.space, "before")
    new = fresh(pair.south, "two")
    announce(pair.south, pair.north, new)
    switched = switch(pair.south, new)
    pair.south.post(pair.sven, pair.space, "after")
    pair.clock.advance(20 * DAY_S)
    assert say(pair.south, pair.north, switched).status == 202
    assert isinstance(pair.south.deliver(pair.north), delivery.Delivered)
    assert pair.north.texts(pair.space) == ["before", "after"]


def test_the_host_may_change_its_key_too(pair: Pair) -> None:
    new = fresh(pair.north, "two")
    announce(pair.north, pair.south, new)
    pair.north.post(pair.anna, pair.space, "before")
    pair.north.write_roster(pair.space)
    assert say(pair.north, pair.south, switch(pair.north, new)).status == 202
    pair.north.write_roster(pair.space)
    pair.north.post(pair.anna, pair.space, "after")
    assert pair.north.deliver(pair.south) == pair.north.deliver(pair.south)
    assert pair.south.texts(pair.space) == ["before", "after"]
    assert not pair.north.store.rows.refusals


def test_two_rotations_later_everything_still_verifies(pair: Pair) -> None:
    """Post, receipt and document of each key, by the key that held when they were made (PROTOCOL 2.c)."""
    kept: list[Document] = []
    for name in ("one", "two", "three"):
        pair.north.post(pair.anna, pair.space, name)
        pair.north.deliver(pair.south)
        kept.append(pair.north.store.rows.received[pair.south.iri][-1])
        if name != "three":
            new = fresh(pair.south, name)
            announce(pair.south, pair.north, new)
            say(pair.south, pair.north, switch(pair.south, new))
            pair.clock.advance(20 * DAY_S)
    assert len({receipt["proof"]["verificationMethod"] for receipt in kept}) == 3
    with pair.north.work() as work:
        relation = pair.north.relation(pair.south)
        for receipt in kept:
            proofs.verify(receipt, rekeying.node_key_for(receipt, relation, work))
        late = proofs.sign(
            kept[0],
            SigningKey.from_raw(pair.south.key.raw(), "https://x.example/a#b"),
            "2026-11-24T08:00:00Z",
        )
        with pytest.raises(BadProof):
            rekeying.node_key_for(late, relation, work)


def test_an_expired_key_proves_nothing_new(pair: Pair) -> None:
    old, new = pair.south.key, fresh(pair.south, "two")
    announce(pair.south, pair.north, new)
    say(pair.south, pair.north, switch(pair.south, new))
    pair.clock.advance(20 * DAY_S)
    document = actor(pair.south, new.public)
    with pair.south.work() as work:
        said = write(
            {"type": "Update", "to": [pair.north.iri], "object": document},
            pair.south.iri, work, pair.south.settings, old,
        )  # fmt: skip
    assert unchanged(pair.north, lambda: post(pair.south, pair.north, said.raw, new)).status == 422


def test_keys_change_and_end_while_the_relation_is_suspended(pair: Pair) -> None:
    for node, other in ((pair.north, pair.south), (pair.south, pair.north)):
        relation = node.relation(other)
        node.store.rows.relations[other.iri] = replace(relation, state=State.SUSPENDED, suspended_here=True)
    new = fresh(pair.south, "two")
    assert announce(pair.south, pair.north, new).status == 202
    assert say(pair.south, pair.north, switch(pair.south, new)).status == 202
    revoke(pair.south, pair.north, fresh(pair.south, "three"))
    assert keys(pair.south, pair.north) == ["three"]


# -- refused


def bound(node: Node, new: SigningKey, **changes: Any) -> Document:
    """An announcement whose binding says something else."""
    document = actor(node, node.key.public, new.public)
    honest = rekeying.announcement(document, node.key, new, node.clock.moment)
    binding = {key: value for key, value in honest["rekeying"].items() if key != "proof"}
    signed = proofs.sign({**binding, **changes}, new, node.clock.moment)
    return proofs.sign({**document, "rekeying": signed}, node.key, node.clock.moment)


FORGED = {
    "no possession": lambda s, n: proofs.sign(actor(s, s.key.public, n.public), s.key, s.clock.moment),
    "possession by another": lambda s, n: proofs.sign(
        {
            **actor(s, s.key.public, n.public),
            "rekeying": rekeying.announcement(actor(s), s.key, fresh(s, "x"), s.clock.moment)["rekeying"],
        },
        s.key,
        s.clock.moment,
    ),
    "it follows another key": lambda s, n: bound(s, n, former=n.public.multibase),
    "of another node": lambda s, n: bound(s, n, actor="https://east.example/actor"),
    "of another type": lambda s, n: bound(s, n, type="Note"),
    "proved by the new key alone": lambda s, n: rekeying.announcement(
        actor(s, n.public, s.key.public), n, n, s.clock.moment
    ),
    "the key that proves it is not named": lambda s, n: rekeying.announcement(
        actor(s, n.public), s.key, n, s.clock.moment
    ),
    "no keys": lambda s, n: proofs.sign(actor(s), s.key, s.clock.moment),
    "without a proof": lambda s, n: actor(s, s.key.public),
    "an id twice": lambda s, n: proofs.sign(
        actor(s, s.key.public, replace(n.public, key_id=s.key.key_id)), s.key, s.clock.moment
    ),
    "an id for another key": lambda s, n: rekeying.announcement(
        actor(s, s.key.public, replace(n.public, key_id=s.key.key_id)), s.key, n, s.clock.moment
    ),
    "a key of another": lambda s, n: rekeying.announcement(
        actor(s, s.key.public, SigningKey.generate("https://east.example/actor#x").public),
        s.key, n, s.clock.moment,
    ),
    "an inbox elsewhere": lambda s, n: rekeying.announcement(
        {**actor(s, s.key.public, n.public), "inbox": "https://east.example/actor/inbox"},
        s.key, n, s.clock.moment,
    ),
    "all keys have ended": lambda s, n: proofs.sign(
        actor(s, replace(s.key.public, expires="2026-11-01T00:00:00Z")), s.key, s.clock.moment
    ),
}  # fmt: skip


@pytest.mark.parametrize("forged", FORGED)
def test_refuses_a_change_of_key_that_nothing_proves(pair: Pair, forged: str) -> None:
    document = FORGED[forged](pair.south, fresh(pair.south, "two"))
    unchanged(pair.north, lambda: say(pair.south, pair.north, document))


def test_refuses_a_document_of_a_node_that_another_says(pair: Pair) -> None:
    world = three_nodes()
    document = rekeying.announcement(
        actor(world.south, world.south.key.public),
        world.south.key,
        fresh(world.south, "two"),
        "2026-11-24T08:00:00Z",
    )
    unchanged(world.north, lambda: say(world.east, world.north, document))


def test_refuses_an_id_that_was_given_before(pair: Pair) -> None:
    new = fresh(pair.south, "two")
    announce(pair.south, pair.north, new)
    say(pair.south, pair.north, switch(pair.south, new))
    assert (
        unchanged(pair.north, lambda: announce(pair.south, pair.north, fresh(pair.south, "ed25519"))).status
        == 409
    )


# -- revoked


def revocation(node: Node, new: SigningKey, *, since_s: float = 0) -> Document:
    now = node.clock.now
    since = f"{now.fromtimestamp(now.timestamp() - since_s, tz=now.tzinfo):%Y-%m-%dT%H:%M:%SZ}"
    ended = rekeying.revoked_method(node.key.public, node.clock.moment, since)
    return rekeying.announcement(actor(node, new.public, ended), node.key, new, node.clock.moment)


def revoke(node: Node, to: Node, new: SigningKey, **options: float) -> None:
    document = revocation(node, new, **options)
    assert say(node, to, document).status == 202
    node.key = node.store.signers[node.iri] = new
    with node.work() as work:  # the node does the same to its own side
        work.handshakes.revoked(node.relation(to), node.relation(to).keys, "")


def compare(one: Node, other: Node) -> None:
    with one.work() as work:
        work.handshakes.confirmed_here(one.relation(other))
        said = handshake.confirmation(one.relation(other), work, one.settings)
    assert one.inbox(said, other).status == 202


def test_a_revoked_key_is_dead_at_once(pair: Pair) -> None:
    old = pair.south.key
    revoke(pair.south, pair.north, fresh(pair.south, "two"))
    assert keys(pair.south, pair.north) == ["two"]
    answer = unchanged(pair.north, lambda: say(pair.south, pair.north, actor(pair.south, old.public), old))
    assert answer.status == 401


def test_nothing_passes_before_both_have_compared_the_new_key(pair: Pair) -> None:
    revoke(pair.south, pair.north, fresh(pair.south, "two"))
    assert isinstance(pair.north.deliver(pair.south), delivery.Refused)
    assert isinstance(pair.south.deliver(pair.north), delivery.Refused)
    compare(pair.south, pair.north)
    assert pair.north.relation(pair.south).recompare
    compare(pair.north, pair.south)
    assert not pair.north.relation(pair.south).recompare
    assert not pair.south.relation(pair.north).recompare
    pair.south.post(pair.sven, pair.space, "passes")
    pair.north.deliver(pair.south)
    assert isinstance(pair.south.deliver(pair.north), delivery.Delivered)
    assert pair.north.texts(pair.space) == ["passes"]


def test_refuses_a_key_announced_by_one_that_was_revoked(pair: Pair) -> None:
    old = pair.south.key
    revoke(pair.south, pair.north, fresh(pair.south, "two"))
    thief = fresh(pair.south, "thief")
    document = rekeying.announcement(
        actor(pair.south, old.public, thief.public), old, thief, pair.clock.moment
    )
    for key in (old, pair.south.key):
        unchanged(pair.north, lambda key=key: say(pair.south, pair.north, document, key))


def test_refuses_a_revoked_key_that_comes_back(pair: Pair) -> None:
    old = pair.south.key
    revoke(pair.south, pair.north, fresh(pair.south, "two"))
    document = rekeying.announcement(
        actor(pair.south, pair.south.key.public, replace(old.public, key_id=f"{pair.south.iri}#again")),
        pair.south.key, old, pair.clock.moment,
    )  # fmt: skip
    assert unchanged(pair.north, lambda: say(pair.south, pair.north, document)).status == 409


def test_refuses_all_but_the_comparison_after_a_revocation(pair: Pair) -> None:
    revoke(pair.south, pair.north, fresh(pair.south, "two"))
    for said in (
        {"type": "Undo", "object": {"id": pair.north.relation(pair.south).offer, "type": "Offer"}},
        {"type": "Delete", "object": "https://south.example/o/1", "recall": {}},
        {"type": "Offer", "object": pair.south.relation(pair.north).agreement},
    ):
        with pair.south.work() as work:
            written = write({"to": [pair.north.iri], **said}, pair.south.iri, work, pair.south.settings)
        answer = unchanged(
            pair.north, lambda raw=written.raw: post(pair.south, pair.north, raw, pair.south.key)
        )
        assert answer.status == 403


def test_what_a_revoked_key_proved_before_is_believed_and_nothing_since(pair: Pair) -> None:
    old = pair.south.key
    early = proofs.sign({"type": "DeliveryReceipt"}, old, pair.clock.moment)
    pair.clock.advance(1000)
    late = proofs.sign({"type": "DeliveryReceipt"}, old, pair.clock.moment)
    pair.clock.advance(1000)
    revoke(pair.south, pair.north, fresh(pair.south, "two"), since_s=1500)
    with pair.north.work() as work:
        relation = pair.north.relation(pair.south)
        proofs.verify(early, rekeying.node_key_for(early, relation, work))
        with pytest.raises(BadProof):
            rekeying.node_key_for(late, relation, work)


def test_a_person_has_a_new_key_and_the_old_posts_stay_proved() -> None:
    world = three_nodes()
    world.south.post(world.sven, world.space, "one")
    world.settle()
    former = world.south.store.signers[world.sven]
    new = SigningKey.generate(f"{world.sven}#two")
    world.clock.advance(1)
    ends = replace(former.public, expires=f"{world.clock.now:%Y-%m-%dT%H:%M:%SZ}")
    rows = world.south.store.rows
    document = {**rows.documents[world.sven], "assertionMethod": [new.public.method, ends.method]}
    rows.documents[world.sven] = proofs.sign(document, world.south.key, world.clock.moment)
    rows.keys[new.key_id] = new.public
    world.south.store.signers[world.sven] = new
    world.clock.advance(100)
    world.south.post(world.sven, world.space, "two")
    world.settle()
    assert world.east.texts(world.space) == ["one", "two"]
    with world.east.work() as work:
        assert work.actors.key(former.key_id) is None
        assert work.actors.key_at(former.key_id, world.clock.now.replace(hour=0)) is not None


def test_a_person_whom_a_former_key_of_the_node_has_proved_is_introduced_after_its_end(pair: Pair) -> None:
    early = pair.south.person("Early")
    for name in ("two", "three"):
        new = fresh(pair.south, name)
        assert announce(pair.south, pair.north, new).status == 202
        assert say(pair.south, pair.north, switch(pair.south, new)).status == 202
        pair.clock.advance(20 * DAY_S)
    assert keys(pair.south, pair.north) == ["three", "two"]
    enter(early, pair.south, pair.space, pair.north)
    assert pair.north.store.rows.documents[early] == pair.south.store.rows.documents[early]
    assert early in pair.north.store.rows.spaces[pair.space].members


def test_who_knows_a_node_through_its_host_alone_hears_of_its_keys_in_time() -> None:
    world = three_nodes()
    new = fresh(world.south, "two")
    assert announce(world.south, world.north, new).status == 202
    assert say(world.south, world.north, switch(world.south, new)).status == 202
    late = world.south.person("Late")
    enter(late, world.south, world.space, world.north)
    world.settle()
    world.south.post(late, world.space, "proved by the new key")
    world.settle()
    assert world.east.texts(world.space) == ["proved by the new key"]
    assert not world.north.store.rows.refusals
    world.clock.advance(20 * DAY_S)
    world.south.post(late, world.space, "after the overlap")
    world.settle()
    assert world.east.texts(world.space) == ["proved by the new key", "after the overlap"]


def test_refuses_keys_of_a_node_that_only_its_host_says() -> None:
    world = three_nodes()
    false, thief = fresh(world.south, "ed25519"), fresh(world.south, "two")
    document = rekeying.announcement(
        actor(world.south, false.public, thief.public), false, thief, world.clock.moment
    )
    with world.north.work() as work:
        said = write(
            {"type": "Announce", "to": [world.east.iri], "audience": world.space, "object": document},
            world.space, work, world.north.settings,
        )  # fmt: skip
    before = dict(world.east.store.rows.documents), dict(world.east.store.rows.keys)
    response, receipt = post_batch(world.north, world.east, [said.raw])
    assert response.status == 200
    assert receipt["exceptions"][0]["outcome"] == "rejected"
    assert (world.east.store.rows.documents, world.east.store.rows.keys) == before


def test_a_document_is_proved_by_a_key_that_a_roster_names_under_another_id(pair: Pair) -> None:
    known = (PublicKey(f"{pair.south.iri}#ed25519", fresh(pair.south, "x").public.raw),)
    key = SigningKey.from_raw(pair.south.key.raw(), f"{pair.south.iri}#later")
    document = proofs.sign({"type": "LogCheckpoint"}, key, pair.clock.moment)
    roster_says = (pair.south.key.public,)
    with pair.north.work() as work:
        (found,) = rekeying.keys_for(document, pair.south.iri, roster_says, work)
        proofs.verify(document, found)
        (other,) = rekeying.keys_for(document, pair.south.iri, known, work)
        with pytest.raises(BadProof):
            proofs.verify(document, other)
        assert rekeying.keys_for(document, pair.north.iri, roster_says, work) == ()
        ended = (replace(pair.south.key.public, expires="2026-11-01T00:00:00Z"),)
        assert rekeying.keys_for(document, pair.south.iri, ended, work) == ()
