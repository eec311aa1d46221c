"""Posts, replies, edits, tombstones, likes: at home and across the wall."""

from __future__ import annotations

import pytest

from node.core.errors import Absent, Invalid, NotAllowed
from node.identity.services.people import Person
from node.spaces.audience import AudienceChanged, audience, stamped
from node.spaces.services import spaces as use
from node.threads.services import posting
from node.threads.services.posting import Draft
from tests.node.relations.peers import MARIE
from tests.node.spaces.world import House, exchange_all, opened, peered
from tests.node.threads.talk import begin, latest, reply, seen, texts, thread_key


@pytest.fixture
def talking(partners: tuple[House, House]) -> tuple[House, House, str]:
    """Aubier hosts, Nord Acier is in: Inès and Marie."""
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir")
    iri = opened(aubier, nord, aubier.space(ines), ines, marie)
    nord.join(marie, iri, aubier)
    return aubier, nord, iri


def people(aubier: House, nord: House) -> tuple[Person, Person]:
    with aubier.ground.database.reading() as one, nord.ground.database.reading() as other:
        return (
            aubier.identity.people.by_handle(one, "ines.le.goff"),
            nord.identity.people.by_handle(other, "marie.lenoir"),
        )


def test_a_thread_and_its_replies_stand_in_their_order_on_both_sides(
    talking: tuple[House, House, str],
) -> None:
    aubier, nord, iri = talking
    ines, marie = people(aubier, nord)
    said = begin(aubier, ines, aubier.key_of(iri), "La grue vient **jeudi**.", lang="fr")
    exchange_all(aubier, nord)
    reply(nord, marie, thread_key(nord, marie), "Bien reçu.")
    assert texts(nord, marie)[-1] == "Bien reçu."
    assert texts(aubier, ines) == ["La grue vient jeudi."]
    exchange_all(aubier, nord)
    reply(aubier, ines, said.thread, "Merci.")
    exchange_all(aubier, nord)
    assert texts(aubier, ines) == texts(nord, marie) == ["La grue vient jeudi.", "Bien reçu.", "Merci."]
    assert [each.rev for each in seen(nord, marie)] == [4, 5, 6]
    assert latest(nord, marie) == ["Merci.", "Bien reçu.", "La grue vient jeudi."]
    assert seen(nord, marie)[0].author.name == "Inès Le Goff"
    assert "<strong>jeudi</strong>" in seen(nord, marie)[0].html


def test_what_waits_for_the_host_is_its_authors_alone(talking: tuple[House, House, str]) -> None:
    aubier, nord, iri = talking
    ines, marie = people(aubier, nord)
    paul = nord.person("Paul Delmotte")
    nord.join(paul, iri, aubier)
    begin(nord, marie, nord.key_of(iri), "Une question.")
    assert [each.state for each in seen(nord, marie)] == ["pending"]
    with nord.ground.database.reading(), pytest.raises(IndexError):
        thread_key(nord, paul)
    exchange_all(aubier, nord)
    assert [each.state for each in seen(nord, paul)] == ["accepted"]
    assert texts(aubier, ines) == ["Une question."]


def test_an_edit_keeps_what_was_said_before(talking: tuple[House, House, str]) -> None:
    aubier, nord, iri = talking
    ines, marie = people(aubier, nord)
    said = begin(aubier, ines, aubier.key_of(iri), "Jeudi.")
    exchange_all(aubier, nord)
    posting.edit(aubier.ground, aubier.by(ines), said.post, Draft("Vendredi.", title="Grue (report)"))
    exchange_all(aubier, nord)
    assert texts(nord, marie) == ["Vendredi."]
    assert seen(nord, marie)[0].edited is not None
    assert nord.fact("SELECT content FROM post_version") == "<p>Jeudi.</p>\n"
    assert nord.fact("SELECT title FROM thread") == "Grue (report)"


def test_a_deleted_post_leaves_a_tombstone_and_no_bytes(talking: tuple[House, House, str]) -> None:
    aubier, nord, iri = talking
    ines, marie = people(aubier, nord)
    said = begin(aubier, ines, aubier.key_of(iri), "CANARI-7f3a à effacer")
    exchange_all(aubier, nord)
    posting.delete(aubier.ground, aubier.by(ines), said.post)
    exchange_all(aubier, nord)
    for house in (aubier, nord):
        assert house.fact("SELECT state FROM post") == "deleted"
        assert not house.fact(
            "SELECT count(*) FROM post WHERE content LIKE '%CANARI%' OR source LIKE '%CANARI%'"
        )
        assert not house.fact("SELECT count(*) FROM activity WHERE CAST(raw AS TEXT) LIKE '%CANARI%'")
    assert [each.state for each in seen(nord, marie)] == ["deleted"]


def test_a_manager_hides_what_another_wrote(talking: tuple[House, House, str]) -> None:
    aubier, nord, iri = talking
    ines, marie = people(aubier, nord)
    said = begin(nord, marie, nord.key_of(iri), "Hors sujet.")
    exchange_all(aubier, nord)
    with pytest.raises(NotAllowed):
        posting.delete(aubier.ground, aubier.by(ines), said.post)
    posting.hide(aubier.ground, aubier.by(ines), said.post)
    exchange_all(aubier, nord)
    assert [each.state for each in seen(nord, marie)] == ["hidden"]


def test_likes_count_once_a_person_and_are_taken_back(talking: tuple[House, House, str]) -> None:
    aubier, nord, iri = talking
    ines, marie = people(aubier, nord)
    said = begin(aubier, ines, aubier.key_of(iri), "Jeudi.")
    exchange_all(aubier, nord)
    for _ in range(2):
        posting.like(nord.ground, nord.by(marie), said.post)
    posting.like(aubier.ground, aubier.by(ines), said.post)
    exchange_all(aubier, nord)
    assert (seen(aubier, ines)[0].likes, seen(nord, marie)[0].likes) == (2, 2)
    assert seen(nord, marie)[0].liked
    posting.unlike(nord.ground, nord.by(marie), said.post)
    exchange_all(aubier, nord)
    assert (seen(aubier, ines)[0].likes, seen(nord, marie)[0].likes) == (1, 1)


def test_mentions_name_members_only(talking: tuple[House, House, str]) -> None:
    aubier, nord, iri = talking
    ines, _ = people(aubier, nord)
    aubier.person("Bruno Maillard")
    key = aubier.key_of(iri)
    begin(aubier, ines, key, "Bonjour @marie.lenoir, voir @ines.le.goff et @accueil.")
    assert '<span class="mention">@Marie Lenoir</span>' in seen(aubier, ines)[0].html
    assert aubier.count("mention") == 2
    for name in ("bruno.maillard", "marie.lenoir@elsewhere.example"):
        with pytest.raises(Invalid, match="Invalid") as refused:
            begin(aubier, ines, key, f"Et @{name} ?")
        assert "Add first" in str(refused.value.safe)
    assert aubier.count("post") == 1


def test_refuses_a_text_without_words_or_subject(talking: tuple[House, House, str]) -> None:
    aubier, nord, iri = talking
    ines, _ = people(aubier, nord)
    for text, title in (("  ", "Grue"), ("Jeudi", " "), ("x" * 50_001, "Grue"), ("Jeudi", "x" * 201)):
        with pytest.raises(Invalid):
            begin(aubier, ines, aubier.key_of(iri), text, title)
    assert aubier.count("post") == 0


def test_an_audience_that_changed_stores_and_sends_nothing(talking: tuple[House, House, str]) -> None:
    aubier, nord, iri = talking
    ines, _marie = people(aubier, nord)
    bruno, paul = aubier.person("Bruno Maillard"), aubier.person("Paul Delmotte")
    key = aubier.key_of(iri)
    use.add_member(aubier.ground, aubier.by(ines), key, bruno.wire_id)
    aubier.clock.move(seconds=5)
    with aubier.ground.database.reading() as session:
        stamp = stamped(audience(session, aubier.ground, 1).token, aubier.clock.now())
    aubier.clock.move(seconds=5)
    use.add_member(aubier.ground, aubier.by(ines), key, paul.wire_id)
    use.leave(aubier.ground, aubier.by(bruno), key)
    before = aubier.count("activity")
    with pytest.raises(AudienceChanged) as refused:
        begin(aubier, ines, key, "Entre nous.", stamp=stamp)
    assert [each.name for each in refused.value.difference.came] == ["Paul Delmotte"]
    assert [each.name for each in refused.value.difference.went] == ["Bruno Maillard"]
    assert refused.value.difference.before == 3
    assert (aubier.count("post"), aubier.count("activity")) == (0, before)
    with aubier.ground.database.reading() as session:
        stamp = stamped(audience(session, aubier.ground, 1).token, aubier.clock.now())
    begin(aubier, ines, key, "Entre nous.", stamp=stamp)
    assert aubier.count("post") == 1


def test_who_reads_is_who_is_told_while_the_space_is_stopped_with_a_partner(
    talking: tuple[House, House, str],
) -> None:
    aubier, nord, iri = talking
    ines, _marie = people(aubier, nord)
    key, relation = aubier.key_of(iri), aubier.partner(nord).key
    with aubier.ground.database.reading() as session:
        stamp = stamped(audience(session, aubier.ground, 1).token, aubier.clock.now())
    aubier.relations.stop(relation, [iri], MARIE)
    with pytest.raises(AudienceChanged) as refused:
        begin(aubier, ines, key, "Entre nous.", stamp=stamp)
    assert [each.name for each in refused.value.difference.went] == ["Marie Lenoir"]
    with aubier.ground.database.reading() as session:
        found = audience(session, aubier.ground, 1)
    assert [each.name for each in found.people] == ["Inès Le Goff"]
    assert [each.name for each in found.apart] == ["Marie Lenoir"]
    assert [each.node for each in found.organisations] == [aubier.iri]
    begin(aubier, ines, key, "Entre nous.", stamp=stamped(found.token, aubier.clock.now()))
    aubier.relations.stop(relation, [], MARIE)
    aubier.settle_jobs()
    exchange_all(aubier, nord)
    assert aubier.names(iri) == ["Inès Le Goff", "Marie Lenoir"]
    assert nord.count("post") == 0


def test_a_stranger_to_the_space_finds_nothing(talking: tuple[House, House, str]) -> None:
    aubier, nord, iri = talking
    ines, _ = people(aubier, nord)
    paul = aubier.person("Paul Delmotte")
    said = begin(aubier, ines, aubier.key_of(iri), "Jeudi.")
    for act in (
        lambda: begin(aubier, paul, aubier.key_of(iri), "Moi aussi"),
        lambda: reply(aubier, paul, said.thread, "Moi aussi"),
        lambda: posting.like(aubier.ground, aubier.by(paul), said.post),
        lambda: posting.delete(aubier.ground, aubier.by(paul), said.post),
        lambda: posting.edit(aubier.ground, aubier.by(paul), said.post, Draft("Autre", title="Autre")),
    ):
        with pytest.raises(Absent):
            act()


def test_who_was_removed_posts_no_more_and_learns_why(talking: tuple[House, House, str]) -> None:
    aubier, nord, iri = talking
    ines, marie = people(aubier, nord)
    key = aubier.key_of(iri)
    marie_key = next(each.key for each in aubier.readers(iri) if each.name == "Marie Lenoir")
    begin(nord, marie, nord.key_of(iri), "Encore une question.")
    use.remove(aubier.ground, aubier.by(ines), key, marie_key)
    nord.deliver(aubier)
    assert aubier.count("post") == 0
    assert nord.fact("SELECT state FROM post") == "refused"
    assert nord.fact("SELECT source FROM post") == "Encore une question."
    assert "#not-member" in str(nord.fact("SELECT problem FROM post"))


def test_history_since_the_beginning_is_told_in_its_order(aubier: House, nord: House, leroux: House) -> None:
    peered(aubier, nord)
    peered(aubier, leroux)
    ines, marie, owen = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir"), leroux.person("Owen Hart")
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    nord.join(marie, iri, aubier)
    said = begin(aubier, ines, key, "Un.")
    exchange_all(aubier, nord)
    reply(nord, marie, thread_key(nord, marie), "Deux.")
    exchange_all(aubier, nord)
    opened(aubier, leroux, key, ines, owen)
    aubier.settle_jobs()
    exchange_all(aubier, leroux)
    leroux.join(owen, iri, aubier)
    reply(aubier, ines, said.thread, "Trois.")
    exchange_all(aubier, nord, leroux)
    assert texts(leroux, owen) == texts(nord, marie) == ["Un.", "Deux.", "Trois."]
    assert leroux.count("missing_rev") == 0
    assert aubier.fact("SELECT state FROM invitation ORDER BY id DESC LIMIT 1") == "done"


def test_no_history_shows_what_is_written_from_then_on(partners: tuple[House, House]) -> None:
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir")
    key = aubier.space(ines)
    begin(aubier, ines, key, "Entre nous.")
    iri = opened(aubier, nord, key, ines, marie, "none")
    nord.join(marie, iri, aubier)
    begin(aubier, ines, key, "Bienvenue.")
    exchange_all(aubier, nord)
    assert latest(nord, marie) == ["Bienvenue."]
    assert not nord.fact("SELECT count(*) FROM activity WHERE CAST(raw AS TEXT) LIKE '%Entre nous%'")
