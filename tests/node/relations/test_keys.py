"""Keys of a node that change while partners are there, away, or robbed: two nodes, their doors and their pages."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from federation import delivery, documents
from federation.errors import AgreementSuspended
from node.core.errors import Changed, Invalid
from node.core.secrets import DoesNotOpen, Vault
from node.exchange import remote
from node.exchange import service as exchange
from node.exchange.evidence import evidence
from node.identity.keyring import State
from node.identity.services.keys import Keys, keys_of
from node.identity.services.resealing import reseal
from node.identity.services.token_keys import Kind, token_keys_of
from node.relations.services import messages
from tests.node.relations.conftest import MakePeer
from tests.node.relations.peers import Net, Peer, peered, rows_of


@pytest.fixture
def two(make_peer: MakePeer) -> tuple[Peer, Peer]:
    aubier, nord = make_peer("aubier"), make_peer("nordacier")
    peered(aubier, nord)
    return aubier, nord


def keys(node: Peer) -> Keys:
    return keys_of(node.ground)


def states(node: Peer) -> list[State]:
    return [each.state for each in keys(node).listed()]


def known(of: Peer, at: Peer) -> list[str]:
    return [each.multibase for each in at.relation(of).keys]


def current(node: Peer) -> str:
    return keys(node).listed()[0].public


def settle(*nodes: Peer) -> None:
    for node in nodes * 2:
        node.settle_jobs()


def talk(one: Peer, other: Peer) -> delivery.Verdict:
    """Something that is said in the stream: an introduction anew is enough to be signed, proved and receipted."""
    with exchange.open_work(one.ground) as work:
        relation = one.relation(other)
        document = {"type": "Update", "to": [other.iri], "object": documents.loads(_document(one))}
        exchange.tell(one.ground, work, relation, document, one.iri)
    return one.deliver(other)


def _document(node: Peer) -> bytes:
    with node.ground.database.reading() as db:
        return node.identity.actors.node(db).document


def test_a_new_key_signs_once_the_partner_has_confirmed_it(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    old = current(aubier)
    keys(aubier).rotate()
    assert states(aubier) == [State.CURRENT, State.NEXT]
    assert current(aubier) == old
    settle(aubier)
    assert states(aubier) == [State.CURRENT, State.FORMER]
    assert known(aubier, nord) == [current(aubier), old]
    assert current(aubier) != old
    assert isinstance(talk(aubier, nord), delivery.Delivered)
    assert isinstance(talk(nord, aubier), delivery.Delivered)
    assert [(each.word, each.state) for each in keys(aubier).listed()[0].notices] == [
        ("next", "confirmed"),
        ("switched", "confirmed"),
    ]
    assert "key.changed-there {}" in nord.audited()
    assert {"key.announced {}", "key.confirmed {}", "key.switched {}"} <= set(aubier.audited())


def test_the_old_key_signs_while_a_partner_is_away(two: tuple[Peer, Peer], net: Net) -> None:
    aubier, nord = two
    old = current(aubier)
    net.down.add(nord.origin)
    keys(aubier).rotate()
    settle(aubier)
    assert current(aubier) == old
    assert [each.problem != "" for each in keys(aubier).listed()[1].waits_for] == [False]
    with pytest.raises(Changed):
        keys(aubier).rotate()
    net.down.clear()
    aubier.clock.move(hours=100)
    assert messages.send(aubier.ground, int(aubier.relation(nord).id)) == ""
    assert current(aubier) != old


def test_an_answer_that_nothing_proves_confirms_nothing(two: tuple[Peer, Peer], net: Net) -> None:
    aubier, nord = two
    keys(aubier).rotate()
    net.mute.add(nord.origin)
    settle(aubier)
    assert states(aubier) == [State.CURRENT, State.NEXT]
    assert len(known(aubier, nord)) == 2
    net.mute.clear()
    aubier.clock.move(hours=1)
    messages.send(aubier.ground, int(aubier.relation(nord).id))
    assert states(aubier) == [State.CURRENT, State.FORMER]


def test_who_was_away_when_we_went_on_compares_anew(two: tuple[Peer, Peer], net: Net) -> None:
    aubier, nord = two
    net.down.add(nord.origin)
    keys(aubier).rotate()
    keys(aubier).go_on()
    settle(aubier)
    assert states(aubier) == [State.CURRENT, State.FORMER]
    assert aubier.relation(nord).recompare
    net.down.clear()
    aubier.clock.move(hours=1)
    assert messages.send(aubier.ground, int(aubier.relation(nord).id)) == ""
    assert nord.relation(aubier).recompare
    assert known(aubier, nord) == [current(aubier)]
    compared(aubier, nord)


def test_the_former_key_ends_with_its_overlap(two: tuple[Peer, Peer]) -> None:
    aubier, _ = two
    keys(aubier).rotate()
    settle(aubier)
    aubier.clock.move(days=15)
    keys(aubier).tidy()
    assert states(aubier) == [State.CURRENT, State.RETIRED]
    with aubier.ground.database.reading() as db:
        assert (
            db.scalar(text("SELECT count(*) FROM actor_key WHERE state = 'retired' AND sealed IS NOT NULL"))
            == 0
        )
    former = keys(aubier).listed()[1]
    with exchange.open_reading(aubier.ground) as work:
        assert work.actors.key(former.id) is None
        assert work.actors.key_at(former.id, aubier.clock.now() - timedelta(days=14)) is not None


def test_receipts_of_every_key_still_prove_delivery(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    for _ in range(3):
        assert isinstance(talk(aubier, nord), delivery.Delivered)
        keys(nord).rotate()
        settle(nord)
        for node in two:
            node.clock.move(days=8)
        keys(nord).tidy()
    talk(aubier, nord)
    with exchange.open_reading(aubier.ground) as work:
        (found,) = evidence(work)
    assert found.wrong == ()
    assert found.proved == found.acknowledged > 3


def compared(one: Peer, other: Peer) -> None:
    for node, partner in ((one, other), (other, one)):
        assert node.partner(partner).state == "keys-exchanged"
        assert node.relations.turns() == 1
    one.confirm(other)
    assert one.relation(other).recompare
    other.confirm(one)
    settle(one, other)
    for node, partner in ((one, other), (other, one)):
        assert not node.relation(partner).recompare
        assert node.partner(partner).state == "in-force"
        assert isinstance(talk(node, partner), delivery.Delivered)


def test_a_revoked_key_is_dead_here_and_there_until_both_have_compared(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    assert isinstance(talk(aubier, nord), delivery.Delivered)
    keys(aubier).revoke(since=aubier.clock.now() - timedelta(minutes=5))
    settle(aubier)
    assert states(aubier) == [State.CURRENT, State.REVOKED]
    assert known(aubier, nord) == [current(aubier)]
    assert "key.revoked-there {}" in nord.audited()
    (flagged,) = keys(nord).flagged()
    assert (flagged.node, flagged.first, flagged.last) == (aubier.iri, 1, 2)
    with aubier.ground.database.reading() as db:
        assert (
            db.scalar(text("SELECT count(*) FROM actor_key WHERE state = 'revoked' AND sealed IS NOT NULL"))
            == 0
        )
    with pytest.raises(AgreementSuspended):
        talk(aubier, nord)
    compared(aubier, nord)


def test_the_keys_of_tokens_end_with_the_key_of_the_node(two: tuple[Peer, Peer]) -> None:
    aubier, _ = two
    tokens = token_keys_of(aubier.ground)
    with aubier.ground.database.writing() as db:
        stolen = {tokens.signing(db, Kind.ED25519).id, tokens.rotate(db, Kind.ED25519).id}
        assert {each.id for each in tokens.published(db)} == stolen
    keys(aubier).revoke()
    with aubier.ground.database.writing() as db:
        assert tokens.published(db) == []
        assert tokens.signing(db, Kind.ED25519).id not in stolen
        kept = (
            "SELECT count(*) FROM actor_key WHERE state = 'revoked' AND use = 'token' AND sealed IS NOT NULL"
        )
        assert db.scalar(text(kept)) == 0
    assert sum(line.startswith("key.token-ended") for line in aubier.audited()) == len(stolen)


def test_refuses_a_revocation_from_the_future(two: tuple[Peer, Peer]) -> None:
    aubier, _ = two
    before = rows_of(aubier)
    with pytest.raises(Invalid):
        keys(aubier).revoke(since=aubier.clock.now() + timedelta(minutes=5))
    assert rows_of(aubier) == before


def test_the_rehearsal_changes_nothing(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    before, heard = rows_of(aubier), len(aubier.net.heard)
    (partner,) = keys(aubier).partners()
    assert (partner.node, partner.away, partner.recompare) == (nord.iri, None, False)
    assert (rows_of(aubier), len(aubier.net.heard)) == (before, heard)


def test_a_node_without_partners_changes_its_key_at_once(make_peer: MakePeer) -> None:
    node = make_peer("aubier")
    keys(node).rotate()
    assert states(node) == [State.CURRENT, State.FORMER]


def test_a_person_has_a_new_key_and_a_document_that_names_both(two: tuple[Peer, Peer]) -> None:
    aubier, _ = two
    person = aubier.person("Inès Le Goff")
    keys(aubier).rotate_actor(person.actor)
    with aubier.ground.database.reading() as db:
        document = json.loads(aubier.identity.actors.of_person(db, person.id).document)
        signer = aubier.identity.actors.signing_key(db, person.actor)
    first, second = document["assertionMethod"]
    assert first["id"] == signer.key_id
    assert second["id"] == f"{person.actor}#ed25519"
    assert "expires" in second
    with exchange.open_reading(aubier.ground) as work:
        assert work.actors.key(second["id"]) is not None


def test_refuses_a_change_of_key_by_another_than_the_partner(two: tuple[Peer, Peer]) -> None:
    aubier, nord = two
    document = documents.loads(_document(aubier))
    document["assertionMethod"].append({**document["assertionMethod"][0], "id": f"{aubier.iri}#other"})
    before = rows_of(nord)
    said = aubier.write({"type": "Update", "to": [nord.iri], "object": document})
    assert aubier.post(nord, said).status == 403
    assert rows_of(nord) == before


# -- the key that seals


def test_all_secrets_are_sealed_under_the_new_key(two: tuple[Peer, Peer]) -> None:
    aubier, _ = two
    aubier.invite()
    old, new = aubier.ground.settings.secret_keys[0], bytes(range(32))
    for index in range(3):
        aubier.person(f"Person {index}")
    both = Vault(new, old)
    object.__setattr__(aubier.ground, "vault", both)
    count = reseal(aubier.ground)
    assert count >= 5
    assert reseal(aubier.ground) == 0
    alone = Vault(new)
    with aubier.ground.database.reading() as db:
        for row in db.execute(text("SELECT key_id, sealed FROM actor_key WHERE sealed IS NOT NULL")):
            assert len(alone.open(row.sealed, f"key {row.key_id}")) == 32
            with pytest.raises(DoesNotOpen):
                Vault(old).open(row.sealed, f"key {row.key_id}")
    assert any(line.startswith("secrets.resealed") for line in aubier.audited())


def test_nothing_is_flagged_without_a_revocation(two: tuple[Peer, Peer]) -> None:
    with two[0].ground.database.reading() as db:
        assert remote.flagged(db) == []
