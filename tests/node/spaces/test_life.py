"""The life of a shared space, between real nodes (PROTOCOL 2.j)."""

from __future__ import annotations

import pytest

from federation.ports import Role
from node.core.errors import Absent, Changed, Invalid
from node.spaces.services import reading, sharing
from node.spaces.services import spaces as use
from tests.node.spaces.world import House, exchange_all, opened, peered
from tests.node.threads.talk import begin


def test_a_new_space_has_its_founder_as_manager_and_a_first_roster(aubier: House) -> None:
    ines = aubier.person("Inès Le Goff")
    key = aubier.space(ines)
    iri = aubier.iri_of(key)
    assert aubier.sees(ines) == ["Passerelle de l’Ill"]
    assert [(each.name, each.role) for each in aubier.readers(iri)] == [("Inès Le Goff", Role.MANAGER)]
    assert aubier.fact("SELECT rev FROM space") == 1
    assert aubier.fact("SELECT roster_version FROM space") == 1
    assert aubier.fact("SELECT count(*) FROM turn") == 1


def test_refuses_a_space_without_a_name(aubier: House) -> None:
    with pytest.raises(Invalid):
        aubier.space(aubier.person("Inès Le Goff"), " \u200b ")
    assert aubier.count("space") == 0


def test_a_manager_adds_a_colleague_who_leaves_again(aubier: House) -> None:
    ines, bruno = aubier.person("Inès Le Goff"), aubier.person("Bruno Maillard")
    key = aubier.space(ines)
    use.add_member(aubier.ground, aubier.by(ines), key, bruno.wire_id)
    assert aubier.sees(bruno) == ["Passerelle de l’Ill"]
    use.leave(aubier.ground, aubier.by(bruno), key)
    assert aubier.sees(bruno) == []
    use.add_member(aubier.ground, aubier.by(ines), key, bruno.wire_id)
    assert aubier.names(aubier.iri_of(key)) == ["Bruno Maillard", "Inès Le Goff"]


def test_the_last_manager_stays(aubier: House) -> None:
    ines, bruno = aubier.person("Inès Le Goff"), aubier.person("Bruno Maillard")
    key = aubier.space(ines)
    use.add_member(aubier.ground, aubier.by(ines), key, bruno.wire_id)
    with pytest.raises(Changed):
        use.leave(aubier.ground, aubier.by(ines), key)
    bruno_key = next(each.key for each in aubier.readers(aubier.iri_of(key)) if each.person_id == bruno.id)
    use.give_role(aubier.ground, aubier.by(ines), key, bruno_key, Role.MANAGER)
    use.leave(aubier.ground, aubier.by(ines), key)
    assert aubier.sees(ines) == []


def test_a_space_is_absent_for_who_is_not_in_it(aubier: House) -> None:
    key = aubier.space(aubier.person("Inès Le Goff"))
    paul = aubier.person("Paul Delmotte")
    with aubier.ground.database.reading() as session, pytest.raises(Absent):
        reading.seen(session, key, paul.actor)
    with pytest.raises(Absent):
        use.leave(aubier.ground, aubier.by(paul), key)


def test_a_partner_accepts_joins_and_both_sides_have_the_same_members(partners: tuple[House, House]) -> None:
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir")
    iri = opened(aubier, nord, aubier.space(ines), ines, marie)
    assert nord.sees(marie) == []
    nord.join(marie, iri, aubier)
    assert nord.sees(marie) == ["Passerelle de l’Ill"]
    assert aubier.names(iri) == nord.names(iri) == ["Inès Le Goff", "Marie Lenoir"]
    assert nord.fact("SELECT rev FROM space") == aubier.fact("SELECT rev FROM space") == 3
    assert nord.count("missing_rev") == 0


def test_a_declined_space_opens_nothing(partners: tuple[House, House]) -> None:
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir")
    key = aubier.space(ines)
    aubier.share(ines, key, nord)
    nord.accept_space(marie, aubier, accept=False)
    assert aubier.fact("SELECT state FROM invitation") == "rejected"
    assert aubier.count("member_node") == 1
    with pytest.raises(Absent):
        use.join(nord.ground, nord.by(marie), nord.key_of(aubier.iri_of(key)))


def test_an_organisation_leaves_with_all_its_people(partners: tuple[House, House]) -> None:
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir")
    iri = opened(aubier, nord, aubier.space(ines), ines, marie)
    nord.join(marie, iri, aubier)
    sharing.leave_as_organisation(nord.ground, nord.by(marie), nord.key_of(iri))
    exchange_all(aubier, nord)
    aubier.settle_jobs()
    assert nord.sees(marie) == []
    assert aubier.names(iri) == ["Inès Le Goff"]
    assert aubier.count("member_node") == 1
    assert aubier.fact("SELECT roster_version FROM space") == 3


def test_an_organisation_is_taken_out(partners: tuple[House, House]) -> None:
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir")
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    nord.join(marie, iri, aubier)
    sharing.remove_organisation(aubier.ground, aubier.by(ines), key, nord.iri)
    exchange_all(aubier, nord)
    assert nord.sees(marie) == []
    assert nord.fact("SELECT state FROM space") == "left"
    assert aubier.names(iri) == ["Inès Le Goff"]


def test_three_organisations_of_which_two_have_no_relation(aubier: House, nord: House, leroux: House) -> None:
    peered(aubier, nord)
    peered(aubier, leroux)
    ines, marie, owen = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir"), leroux.person("Owen Hart")
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    nord.join(marie, iri, aubier)
    opened(aubier, leroux, key, ines, owen)
    leroux.join(owen, iri, aubier)
    exchange_all(aubier, nord, leroux)
    everybody = ["Inès Le Goff", "Marie Lenoir", "Owen Hart"]
    assert aubier.names(iri) == everybody
    assert leroux.names(iri) == everybody
    assert nord.names(iri) == everybody


def test_a_new_name_is_shown_at_home_and_introduced_with_the_next_words(
    aubier: House, nord: House, leroux: House
) -> None:
    peered(aubier, nord)
    peered(aubier, leroux)
    ines, marie, owen = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir"), leroux.person("Owen Hart")
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    nord.join(marie, iri, aubier)
    opened(aubier, leroux, key, ines, owen)
    leroux.join(owen, iri, aubier)
    exchange_all(aubier, nord, leroux)
    with nord.ground.database.writing() as session:
        nord.identity.actors.rename(session, marie.actor, "Marie Lenoir-Dubois", nord.ground.clock.now())
    now = ["Inès Le Goff", "Marie Lenoir-Dubois", "Owen Hart"]
    assert nord.names(iri) == now
    assert "Marie Lenoir" in aubier.names(iri)
    begin(nord, marie, nord.key_of(iri), "Je suis mariée.")
    exchange_all(aubier, nord, leroux)
    assert aubier.names(iri) == leroux.names(iri) == now
