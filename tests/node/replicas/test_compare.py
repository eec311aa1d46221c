"""Two houses compare their copies of a space, and mend what differs."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from node.identity.services.people import Person
from node.replicas.services import copying, hosting, runs
from node.spaces.services import copies
from node.spaces.services import spaces as use
from node.threads.services import posting
from tests.node.relations.peers import MARIE
from tests.node.spaces.world import House, Role, exchange_all, opened
from tests.node.threads.talk import begin, reply, texts, thread_key


class Shared:
    """A space that Aubier keeps and Nord Acier has a copy of, with what was said."""

    def __init__(self, host: House, guest: House) -> None:
        self.host, self.guest = host, guest
        self.nora = host.person("Nora Lind", Role.ADMIN)
        self.emil = guest.person("Emil Sund", Role.ADMIN)
        self.key = host.space(self.nora)
        self.first = begin(host, self.nora, self.key, "La grue est à 7 h.")
        self.iri = opened(host, guest, self.key, self.nora, self.emil)
        guest.join(self.emil, self.iri, host)
        self.answer = reply(guest, self.emil, thread_key(guest, self.emil), "Merci.")
        self.last = reply(host, self.nora, thread_key(host, self.nora), "À demain.")
        exchange_all(host, guest)

    def number(self, house: House) -> int:
        return int(house.fact("SELECT id FROM space WHERE iri = :iri", iri=self.iri))

    def compare(self) -> runs.Run:
        return runs.compare(self.guest.ground, self.number(self.guest))

    def said(self, house: House, person: Person | None = None) -> list[str]:
        return texts(house, person or (self.nora if house is self.host else self.emil))


@pytest.fixture
def shared(partners: tuple[House, House]) -> Shared:
    return Shared(*partners)


def write(house: House, statement: str, **values: Any) -> None:
    with house.ground.database.writing() as session:
        session.execute(text(statement), values)


def seen_by(house: House, shared: Shared) -> runs.Seen:
    with house.ground.database.reading() as session:
        space = copies.by_iri(session, shared.iri)
        assert space is not None
        return runs.seen(session, house.ground, space)


def test_equal_copies_are_proved_by_one_request(shared: Shared) -> None:
    run = shared.compare()

    assert (run.state, run.requests, run.repaired) == ("equal", 1, 0)
    assert run.count == 5  # three posts, two people
    exchange_all(shared.host, shared.guest)
    for house, other in ((shared.host, shared.guest), (shared.guest, shared.host)):
        pair = seen_by(house, shared).proofs[0]
        assert (pair.node, pair.as_of) == (other.iri, run.as_of)
        assert pair.ours["root"] == pair.theirs["root"]


def test_a_lost_post_comes_back_from_the_host(shared: Shared) -> None:
    number = shared.guest.fact("SELECT id FROM post WHERE iri LIKE :iri", iri=f"{shared.host.origin}%")
    write(shared.guest, "DELETE FROM post WHERE id = :number", number=number)

    run = shared.compare()

    assert (run.state, run.repaired) == ("equal", 1)
    assert shared.compare().requests == 1
    assert shared.said(shared.guest) == shared.said(shared.host)


def edit(shared: Shared) -> None:
    words = posting.Draft("À après-demain.")
    posting.edit(shared.host.ground, shared.host.by(shared.nora), shared.last.post, words)
    exchange_all(shared.host, shared.guest)


def lose(house: House, iri: str) -> None:
    """The rows of a post are gone, as after a fault of the disk."""
    for table in ("post_version", "mention", "post_like"):
        write(house, f"DELETE FROM {table} WHERE post_id = (SELECT id FROM post WHERE iri = :iri)", iri=iri)
    write(house, "DELETE FROM post WHERE iri = :iri", iri=iri)


def test_a_lost_edited_post_comes_back_as_it_is_now(shared: Shared) -> None:
    edit(shared)
    lose(shared.guest, shared.last.iri)

    run = shared.compare()

    assert (run.state, run.repaired) == ("equal", 2)
    assert sorted(shared.said(shared.guest)) == sorted(shared.said(shared.host))


def test_our_own_lost_post_comes_back(shared: Shared) -> None:
    shared.compare()
    lose(shared.guest, shared.answer.iri)

    run = shared.compare()

    assert (run.state, run.repaired) == ("equal", 1)
    assert shared.said(shared.guest) == shared.said(shared.host)


def test_a_lost_edit_is_made_again(shared: Shared) -> None:
    edit(shared)
    write(shared.guest, "DELETE FROM post_version")
    forgotten = "UPDATE post SET changed_rev = rev, content = '<p>À demain.</p>' WHERE iri = :iri"
    write(shared.guest, forgotten, iri=shared.last.iri)

    run = shared.compare()

    assert (run.state, run.repaired) == ("equal", 1)
    assert shared.said(shared.guest) == shared.said(shared.host)


def test_the_same_rev_with_other_words_is_mended(shared: Shared) -> None:
    edit(shared)
    write(shared.guest, "DELETE FROM post_version")  # so that the post seems to say what its Create said
    shared.compare()

    assert shared.compare().requests == 1


def test_a_post_that_the_host_does_not_have_is_hidden_and_kept(shared: Shared) -> None:
    lose(shared.host, shared.answer.iri)

    run = shared.compare()

    assert run.state == "equal"
    assert "Merci." not in shared.said(shared.guest)
    kept = shared.guest.fact("SELECT content FROM post WHERE iri = :iri", iri=shared.answer.iri)
    assert "Merci." in kept
    aside = seen_by(shared.guest, shared).aside
    assert [(each.iri, each.kind, each.theirs) for each in aside] == [(shared.answer.iri, "surplus", None)]
    assert aside[0].ours is not None


def test_no_more_is_set_aside_than_may_be(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    assert copying.MAX_ASIDE == 1000
    monkeypatch.setattr(copying, "MAX_ASIDE", 1)
    lose(shared.host, shared.answer.iri)
    lose(shared.host, shared.last.iri)
    before = shared.said(shared.guest)

    run = shared.compare()

    assert run.state == "differs"
    assert len(seen_by(shared.guest, shared).aside) == 1
    assert len(shared.said(shared.guest)) == len(before) - 1
    shared.compare()
    assert shared.guest.fact("SELECT count(*) FROM replica_aside") == 1


def test_a_host_that_receipts_and_drops_is_found(shared: Shared) -> None:
    dropped = reply(shared.guest, shared.emil, thread_key(shared.guest, shared.emil), "Et le camion ?")
    shared.guest.deliver(shared.host)
    lose(shared.host, dropped.iri)
    write(shared.host, "DELETE FROM turn WHERE rev = (SELECT max(rev) FROM turn)")
    write(shared.host, "UPDATE space SET rev = rev - 1")
    shared.guest.clock.move(minutes=1)

    run = shared.compare()

    assert run.state == "equal"
    assert [(each.iri, each.kind) for each in seen_by(shared.guest, shared).aside] == [
        (dropped.iri, "dropped")
    ]


def test_a_deleted_post_stays_deleted(shared: Shared) -> None:
    posting.delete(shared.host.ground, shared.host.by(shared.nora), shared.last.post)
    exchange_all(shared.host, shared.guest)

    run = shared.compare()

    assert run.state == "equal"
    assert shared.said(shared.guest) == shared.said(shared.host)


def test_a_missed_member_is_let_in(shared: Shared) -> None:
    runa = shared.host.person("Runa Berg")
    use.add_member(shared.host.ground, shared.host.by(shared.nora), shared.key, runa.wire_id)
    exchange_all(shared.host, shared.guest)
    assert shared.compare().state == "equal"
    write(
        shared.guest,
        "DELETE FROM member WHERE participant_id = (SELECT id FROM participant WHERE iri = :iri)",
        iri=runa.actor,
    )

    run = shared.compare()

    assert (run.state, run.repaired) == ("equal", 1)
    assert "Runa Berg" in shared.guest.names(shared.iri)


def test_who_left_is_equal_too(shared: Shared) -> None:
    use.leave(shared.guest.ground, shared.guest.by(shared.emil), shared.guest.key_of(shared.iri))
    exchange_all(shared.guest, shared.host)

    assert shared.compare().state == "equal"


def test_asking_again_says_the_same(shared: Shared) -> None:
    lose(shared.host, shared.last.iri)
    shared.compare()

    again = shared.compare()

    assert (again.state, again.requests) == ("equal", 1)
    assert shared.said(shared.guest) == ["La grue est à 7 h.", "Merci."]
    assert [each.kind for each in seen_by(shared.guest, shared).aside] == ["surplus"]


def test_a_host_that_forgot_is_found_and_nothing_changes(shared: Shared) -> None:
    before = shared.said(shared.guest)
    lose(shared.host, shared.answer.iri)
    write(shared.host, "UPDATE space SET rev = rev - 1")

    run = shared.compare()

    assert run.state == "older"
    assert shared.said(shared.guest) == before


def test_what_has_not_come_yet_is_read_from_the_host(shared: Shared) -> None:
    reply(shared.host, shared.nora, thread_key(shared.host, shared.nora), "Le camion est parti.")

    run = shared.compare()

    assert (run.state, run.behind) == ("equal", 1)
    assert shared.said(shared.guest) == shared.said(shared.host)
    exchange_all(shared.host, shared.guest)  # the stream brings it too
    assert shared.said(shared.guest) == shared.said(shared.host)
    assert shared.compare().state == "equal"


def test_history_from_the_day_of_entering_is_a_view_of_its_own(partners: tuple[House, House]) -> None:
    host, guest = partners
    nora, emil = host.person("Nora Lind", Role.ADMIN), guest.person("Emil Sund", Role.ADMIN)
    key = host.space(nora)
    old = begin(host, nora, key, "Avant.")
    iri = opened(host, guest, key, nora, emil, past="none")
    guest.join(emil, iri, host)
    begin(host, nora, key, "Après.")
    exchange_all(host, guest)
    number = int(guest.fact("SELECT id FROM space WHERE iri = :iri", iri=iri))

    run = runs.compare(guest.ground, number)

    assert (run.state, run.requests, run.count) == ("equal", 1, 3)
    assert guest.fact("SELECT count(*) FROM replica_leaf WHERE iri = :iri", iri=old.iri) == 0


def test_a_type_that_the_charter_leaves_out_is_withheld(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(shared.host, "UPDATE post SET type = 'Article' WHERE iri = :iri", iri=shared.last.iri)
    lose(shared.guest, shared.last.iri)
    monkeypatch.setattr(hosting, "types_of", lambda _relation: frozenset({"Note"}))

    run = shared.compare()

    assert run.state == "equal"
    withheld = shared.guest.fact("SELECT iri FROM replica_leaf WHERE state = 'withheld'")
    assert withheld == shared.last.iri
    assert "À demain." not in shared.said(shared.guest)
    assert shared.compare().requests == 1


def test_what_came_before_the_charter_left_it_out_stays(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    for house in (shared.host, shared.guest):
        write(house, "UPDATE post SET type = 'Article' WHERE iri = :iri", iri=shared.last.iri)
    monkeypatch.setattr(hosting, "types_of", lambda _relation: frozenset({"Note"}))

    run = shared.compare()

    assert (run.state, run.requests) == ("equal", 1)
    assert shared.said(shared.guest) == shared.said(shared.host)


def test_copies_are_compared_for_the_last_time_before_the_end(shared: Shared) -> None:
    guest, number = shared.guest, shared.number(shared.guest)
    assert shared.compare().state == "equal"
    last_day = (guest.clock.now() + timedelta(days=40)).date()
    guest.relations.end(
        guest.partner(shared.host).key,
        on=last_day,
        disposition="purge-after-retention",
        reason="",
        language="fr",
        by=MARIE,
    )
    evening = datetime.combine(last_day, time(22, 30), UTC)
    guest.clock.move(seconds=(evening - guest.clock.now()).total_seconds() - 3600)
    shared.compare()
    assert runs.due(guest.ground) == []
    guest.clock.move(seconds=3600)
    assert runs.due(guest.ground) == [number]
    shared.compare()
    assert runs.due(guest.ground) == []


def test_copies_are_compared_after_a_suspension(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    guest, asked = shared.guest, list[tuple[Any, ...]]()
    key = guest.partner(shared.host).key
    guest.relations.suspend(key, "Un doute.", "fr", MARIE)
    monkeypatch.setattr(guest.ground.jobs, "enqueue", lambda job, *of, **_: asked.append((job, *of)))
    guest.relations.resume(key, MARIE)
    assert (runs.compare_soon, shared.number(guest), "") in asked
