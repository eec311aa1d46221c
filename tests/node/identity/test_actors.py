"""Actors: what is federated of them, and where their keys are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from federation import digest, documents, proofs
from node.core.secrets import DoesNotOpen
from node.identity.keyring import KeyRing, NoSuchActor
from node.identity.services.people import Claims, Role
from tests.node.identity.houses import MakeNode, Node


def introductions(vectors: Path, name: str) -> list[dict[str, Any]]:
    lines = json.loads((vectors / "own-exchange" / name).read_text())["request"]["body_lines"][1:]
    return [json.loads(line)["object"] for line in lines if json.loads(line)["type"] == "Update"]


def shape(document: object) -> object:
    """Keys in order, without values."""
    if isinstance(document, dict):
        return {key: shape(value) for key, value in document.items()}
    return [shape(each) for each in document] if isinstance(document, list) else type(document).__name__


def test_a_person_is_introduced_in_the_shape_of_the_vectors(node: Node, vectors: Path) -> None:
    person = node.person("Inès Le Goff")
    with node.ground.database.reading() as db:
        mine = json.loads(node.identity.actors.of_person(db, person.id).document)
    theirs = next(each for each in introductions(vectors, "first-batch.json") if each["type"] == "Person")
    assert json.dumps(shape(mine)) == json.dumps(shape(theirs))
    assert mine["@context"] == theirs["@context"]


def test_a_space_is_introduced_in_the_shape_of_the_vectors(node: Node, vectors: Path) -> None:
    with node.ground.database.writing() as db:
        space = node.identity.actors.create_space(db, "Passerelle de l’Ill", node.clock.now())
    mine = json.loads(space.document)
    theirs = next(
        each for each in introductions(vectors, "announces-with-rev.json") if each["type"] == "Group"
    )
    assert json.dumps(shape(mine)) == json.dumps(shape(theirs))
    assert mine["preferredUsername"] == "passerelle-de-l-ill"


def test_the_node_proves_every_document_and_the_digest_is_of_it(node: Node) -> None:
    person = node.person("Inès Le Goff")
    with node.ground.database.reading() as db:
        actors = node.identity.actors
        node_key = actors.signing_key(db, actors.node_iri)
        actor = actors.of_person(db, person.id)
        document = documents.loads(actor.document)
    proofs.verify(document, node_key.public)
    assert actor.digest == digest.digest(document)
    assert node_key.key_id == f"{node.origin}/actor#ed25519"
    assert actor.iri == f"{node.origin}/people/{person.wire_id}"


def test_no_mail_address_is_federated_whatever_a_provider_says(node: Node) -> None:
    claims = Claims(
        "https://login.example", "1", "ines@example.org", "ines.legoff@example.org", "ines@example.org"
    )
    person = node.identity.expect_person(claims, Role.MEMBER)
    with node.ground.database.reading() as db:
        actor = node.identity.actors.of_person(db, person.id)
    assert b"example.org" not in actor.document
    assert b"@" not in actor.document.replace(b'"@context"', b"")
    assert person.preferred_username == "ines.legoff"
    assert person.email == "ines@example.org"


def test_a_new_name_makes_a_new_document_with_a_new_digest(node: Node) -> None:
    person = node.person("Inès Le Goff")
    with node.ground.database.writing() as db:
        before = node.identity.actors.of_person(db, person.id)
        after = node.identity.actors.rename(db, before.iri, "Inès Kerven", node.clock.now())
        same = node.identity.actors.rename(db, before.iri, "Inès Kerven", node.clock.now())
    assert json.loads(after.document)["name"] == "Inès Kerven"
    assert after.digest != before.digest
    assert same.document == after.document
    assert json.loads(after.document)["assertionMethod"] == json.loads(before.document)["assertionMethod"]


def test_a_private_key_is_opened_once_a_process(node: Node) -> None:
    person = node.person("Inès Le Goff")
    fresh = KeyRing(node.ground.vault, node.ground.wake)
    with node.ground.database.reading() as db:
        keys = {id(fresh.signing_key(db, person.actor)) for _ in range(50)}
    assert fresh.opened == 1
    assert len(keys) == 1


def test_no_private_key_lies_open_in_the_database(node: Node) -> None:
    person = node.person("Inès Le Goff")
    with node.ground.database.reading() as db:
        raw = node.identity.actors.signing_key(db, person.actor).raw()
    for path in Path(node.ground.settings.data_dir).iterdir():
        if path.is_file():
            assert raw not in path.read_bytes()


def test_refuses_a_key_that_was_copied_from_another_actor(node: Node) -> None:
    ines, bruno = node.person("Inès Le Goff"), node.person("Bruno Maillard")
    with node.ground.database.writing() as db:
        copied = text(
            "UPDATE actor_key SET sealed = (SELECT sealed FROM actor_key WHERE actor = :theirs) WHERE actor = :mine"
        )
        db.execute(copied, {"theirs": bruno.actor, "mine": ines.actor})
    fresh = KeyRing(node.ground.vault, node.ground.wake)
    with node.ground.database.reading() as db, pytest.raises(DoesNotOpen):
        fresh.signing_key(db, ines.actor)


def test_two_fresh_nodes_share_no_key(make_node: MakeNode) -> None:
    one, other = make_node("aubier"), make_node("nordacier")
    with one.ground.database.reading() as db, other.ground.database.reading() as theirs:
        mine = one.identity.actors.signing_key(db, one.identity.actors.node_iri)
        assert mine.raw() != other.identity.actors.signing_key(theirs, other.identity.actors.node_iri).raw()


def test_to_initialise_again_changes_nothing(node: Node) -> None:
    first = node.identity.initialise()
    assert node.identity.initialise() == first


def test_handles_are_ascii_free_and_never_reserved(node: Node) -> None:
    assert node.person("Inès Le Goff").preferred_username == "ines.le.goff"
    assert node.person("Inès Le Goff").preferred_username == "ines.le.goff2"
    assert node.person("Admin").preferred_username == "admin2"
    assert node.person("王小明").preferred_username == "person"
    assert node.person("Søren Weiß").preferred_username == "soren.weiss"
    assert node.person("x" * 80).preferred_username == "x" * 32
    assert node.person("x" * 80).preferred_username == "x" * 31 + "2"


def test_a_space_and_a_person_never_share_a_handle(node: Node) -> None:
    node.person("Passerelle")
    with node.ground.database.writing() as db:
        space = node.identity.actors.create_space(db, "Passerelle", node.clock.now())
    assert space.preferred_username == "passerelle2"


def test_names_lose_what_nobody_sees(node: Node) -> None:
    assert node.person("  Bruno\u202e  Mail\u200blard\n").name == "Bruno Mail lard"


def test_an_unknown_actor_is_absent(node: Node) -> None:
    actors, nobody = node.identity.actors, f"{node.origin}/people/nobody"
    with node.ground.database.reading() as db:
        with pytest.raises(NoSuchActor):
            actors.get(db, nobody)
        with pytest.raises(NoSuchActor):
            actors.signing_key(db, nobody)
        with pytest.raises(NoSuchActor):
            actors.of_person(db, 999)
        with pytest.raises(NoSuchActor):
            actors.by_handle(db, "nobody")
