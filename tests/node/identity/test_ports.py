"""What federation asks of our own actors."""

from __future__ import annotations

import pytest

from federation import proofs
from federation.discovery import read_node_actor
from federation.errors import Forbidden, LocalError
from node.identity.ports import LocalActors
from tests.node.identity.houses import Node


def test_the_node_actor_reads_as_one(node: Node) -> None:
    with node.ground.database.reading() as db:
        actors = LocalActors(db, node.ground)
        document = actors.document(f"{node.origin}/actor")
        assert document is not None
        read = read_node_actor(document, development=True)
        assert [key.key_id for key in read.keys] == [f"{node.origin}/actor#ed25519"]
        key = actors.key(f"{node.origin}/actor#ed25519")
        assert key is not None
        proofs.verify(document, key)


def test_keys_and_documents_of_our_people(node: Node) -> None:
    person = node.person("Inès")
    with node.ground.database.reading() as db:
        actors = LocalActors(db, node.ground)
        assert actors.has(person.actor)
        key = actors.key(f"{person.actor}#ed25519")
        assert key is not None
        assert key.verify(actors.signer(person.actor).sign(b"x"), b"x")
        document = actors.document(person.actor)
        assert document is not None
        assert document["name"] == "Inès"
        with node.ground.database.counting() as count:
            actors.key(f"{person.actor}#ed25519")
            actors.signer(person.actor)
        assert count.statements == 0


def test_who_is_not_ours_is_unknown_and_is_never_learned(node: Node) -> None:
    nobody = f"{node.origin}/people/nobody"
    with node.ground.database.reading() as db:
        actors = LocalActors(db, node.ground)
        assert not actors.has("http://nordacier.localhost:8102/actor")
        assert not actors.has(f"{node.origin}.evil.example/actor")
        assert actors.key(f"{nobody}#ed25519") is None
        assert actors.key(f"{node.origin}/actor#other") is None
        assert actors.document(nobody) is None
        with pytest.raises(LocalError):
            actors.signer(nobody)
        with pytest.raises(Forbidden):
            actors.learn({"id": nobody}, "http://nordacier.localhost:8102/actor")
