"""Two houses compare their copies of a space, and mend what differs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text

from node.identity.services.people import Person
from node.replicas.services import runs
from node.spaces.services import spaces as use
from node.threads.services import posting
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


def test_equal_copies_are_proved_by_one_request(shared: Shared) -> None:
    run = shared.compare()

    assert (run.state, run.requests, run.repaired) == ("equal", 1, 0)
    assert run.count == 5  # three posts, two people
    exchange_all(shared.host, shared.guest)
    for house, other in ((shared.host, shared.guest), (shared.guest, shared.host)):
        with house.ground.database.reading() as session:
            space = runs.spaces.by_iri(session, shared.iri)
            assert space is not None
            seen = runs.seen(session, house.ground, space)
        pair = seen.proofs[0]
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
        write(house, f"DELETE FROM {table} WHERE post_id = (SELECT id FROM post WHERE iri = :iri)", iri=iri)  # noqa: S608
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
