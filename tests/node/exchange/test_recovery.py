"""The drill: an older backup runs again, and gets back what it lost before it sends anything (RELIABILITY R11)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from federation import delivery, recall
from federation.errors import Unreachable
from federation.ports import Mode, Recall
from node.core.clock import rfc3339
from node.exchange import memory, recovery
from node.exchange.lanes import OK, Lane
from node.exchange.service import open_reading, open_work, publish, settings_of
from node.identity.keyring import keyring_of
from node.identity.services.people import NoSuchPerson, Person
from node.replicas.services import runs
from node.spaces.services import spaces
from tests.node.exchange.talk import Talk, begin, contents, say
from tests.node.spaces.world import House, MakeHouse, exchange_all, opened, peered

BACKUP = "_backup"


def _copy(source: str, target: str) -> None:
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


def _clone(house: House, source: str, target: str) -> None:
    """A database of PostgreSQL in the place of another."""
    house.ground.database.close()
    admin = create_engine(house.ground.database.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": source},
        )
        connection.execute(text(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {target} TEMPLATE {source}"))
    admin.dispose()


def _backup(house: House) -> None:
    place = str(house.ground.database.url.database)
    (_copy if house.ground.database.is_sqlite else partial(_clone, house))(place, place + BACKUP)


def _restore(house: House) -> None:
    """The older database in the place of the newer one, in a process that knows nothing."""
    place = str(house.ground.database.url.database)
    (_copy if house.ground.database.is_sqlite else partial(_clone, house))(place + BACKUP, place)
    memory._made.pop(house.ground.database, None)
    keyring_of(house.ground).forget()


def _chain(house: House, table: str) -> list[Any]:
    with house.ground.database.reading() as session:
        return list(session.execute(text(f"SELECT seq, entry_hash FROM {table} ORDER BY seq")))


def _same(talk: Talk) -> bool:
    def rows(house: House, table: str) -> list[tuple[int, bytes]]:
        return [(row[0], bytes(row[1])) for row in _chain(house, table)]

    return rows(talk.aubier, "out_entry") == rows(talk.nord, "in_entry") and rows(
        talk.nord, "out_entry"
    ) == rows(talk.aubier, "in_entry")


def _delete(talk: Talk, house: House, actor: str, post: str) -> None:
    with open_work(house.ground) as work:
        document = {"type": "Delete", "to": [talk.space], "audience": talk.space, "object": post}
        publish(house.ground, work, document, actor)


@pytest.mark.parametrize("side", ["host", "guest"])
def test_all_comes_back_and_nothing_is_doubled(talk: Talk, side: str) -> None:
    house = talk.aubier if side == "host" else talk.nord
    gone = talk.from_host("to be deleted")
    talk.from_guest("before")
    talk.settle()
    _backup(house)
    talk.from_host("host after")
    talk.from_guest("guest after")
    talk.settle()
    _delete(talk, talk.aubier, talk.ines.actor, str(gone.object_id))
    talk.settle()
    expected = contents(house.ground)
    assert contents(talk.aubier.ground) == contents(talk.nord.ground) == expected
    _restore(house)
    assert contents(house.ground) != expected
    assert recovery.at_start(house.ground) == set()
    talk.settle()
    assert contents(talk.aubier.ground) == contents(talk.nord.ground) == expected
    assert _same(talk)
    talk.from_host("host goes on")
    talk.from_guest("guest goes on")
    talk.settle()
    assert contents(talk.aubier.ground) == contents(talk.nord.ground)
    assert len(contents(house.ground)) == len(expected) + 2
    assert _same(talk)
    assert house.fact("SELECT count(*) FROM dispute") == 0


def test_what_was_said_since_and_never_left_follows_what_comes_back(talk: Talk) -> None:
    talk.from_guest("before")
    talk.settle()
    _backup(talk.nord)
    talk.from_guest("lost")
    talk.settle()
    _restore(talk.nord)
    talk.from_guest("said meanwhile")
    assert recovery.at_start(talk.nord.ground) == set()
    talk.settle()
    found = contents(talk.aubier.ground)
    assert found == contents(talk.nord.ground)
    assert [each for each in found if "lost" in each or "meanwhile" in each] == [
        "<p>lost</p>",
        "<p>said meanwhile</p>",
    ]
    assert _same(talk)
    assert talk.fact(talk.aubier, "SELECT count(*) FROM dispute") == 0


def test_a_lane_says_hello_first_to_a_partner_that_did_not_answer_at_the_start(
    talk: Talk,
) -> None:
    _backup(talk.nord)
    talk.from_guest("lost")
    talk.settle()
    _restore(talk.nord)
    talk.nord.net.down.add(talk.aubier.origin)
    relation = talk.nord.relation(talk.aubier)
    assert recovery.at_start(talk.nord.ground) == {relation.id}
    talk.nord.net.down.clear()
    talk.from_guest("said meanwhile")
    lane = Lane(talk.nord.ground, relation, met=False)
    first = lane.step()
    assert first is not None
    assert isinstance(first.verdict, delivery.Behind)
    assert not first.parcel.entries
    assert lane.met
    talk.settle()
    assert "<p>lost</p>" in contents(talk.nord.ground)
    assert contents(talk.nord.ground) == contents(talk.aubier.ground)
    assert _same(talk)


def test_a_lane_that_has_not_met_its_partner_asks_by_the_schedule_whatever_waits(talk: Talk) -> None:
    talk.from_guest("waits")
    talk.nord.net.down.add(talk.aubier.origin)
    lane = Lane(talk.nord.ground, talk.nord.relation(talk.aubier), met=False)
    assert lane.step() is not None
    assert lane.step() is None
    talk.nord.clock.move(seconds=3)
    assert lane.step() is not None
    assert lane.step() is None
    talk.nord.net.down.clear()
    talk.nord.clock.move(seconds=3)
    while lane.step() is not None:
        pass
    assert contents(talk.aubier.ground) == ["<p>waits</p>"]


def test_a_partner_whose_log_cannot_be_read_is_asked_by_the_schedule(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(*_: Any) -> None:
        raise Unreachable("takes no connection")

    talk.from_guest("waits")
    lane = Lane(talk.nord.ground, talk.nord.relation(talk.aubier), met=False)
    with monkeypatch.context() as patch:
        patch.setattr(recovery, "recover", unread)
        assert lane.step() is not None
        assert lane.step() is None
        talk.nord.clock.move(minutes=2)
        assert lane.step() is not None
        talk.nord.clock.move(seconds=3)
        assert lane.step() is None, "away for two minutes: every twenty seconds"
    talk.nord.clock.move(seconds=20)
    while lane.step() is not None:
        pass
    assert contents(talk.aubier.ground) == ["<p>waits</p>"]


def test_a_partner_that_claims_more_of_our_log_and_shows_none_is_asked_by_the_schedule(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk.from_guest("waits")
    lane = Lane(talk.nord.ground, talk.nord.relation(talk.aubier))
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "settle", lambda *_: delivery.Behind("it lies"))
        patch.setattr(recovery, "recover", lambda *_: recovery.Recovered())
        assert lane.step() is not None
        assert lane.step() is None
    talk.nord.clock.move(seconds=3)
    while lane.step() is not None:
        pass
    assert contents(talk.aubier.ground) == ["<p>waits</p>"]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def kept(request: pytest.FixtureRequest) -> dict[str, str]:
    """Where the node that is restored keeps what it has."""
    return {} if request.param == "sqlite" else {"database_url": request.getfixturevalue("postgresql_url")}


def _two(make_house: MakeHouse, side: str, kept: dict[str, str]) -> tuple[Talk, House]:
    aubier = make_house("aubier", **(kept if side == "host" else {}))
    nord = make_house("nord-acier", "Nord Acier", **(kept if side == "guest" else {}))
    peered(aubier, nord)
    return begin(aubier, nord), aubier if side == "host" else nord


@pytest.mark.parametrize("side", ["host", "guest"])
def test_who_was_made_after_the_backup_comes_back_with_what_they_said(
    make_house: MakeHouse, kept: dict[str, str], side: str
) -> None:
    talk, house = _two(make_house, side, kept)
    _backup(house)
    yann = house.person("Yann Kervella")
    _joins(talk, house, yann)
    say(house.ground, talk.space, yann.actor, "of Yann")
    talk.settle()
    expected, names = contents(talk.aubier.ground), talk.nord.names(talk.space)
    _restore(house)
    with house.ground.database.reading() as session, pytest.raises(NoSuchPerson):
        house.identity.people.by_wire_id(session, yann.wire_id)

    assert recovery.at_start(house.ground) == set()
    talk.settle()
    assert contents(talk.aubier.ground) == contents(talk.nord.ground) == expected
    assert talk.aubier.names(talk.space) == talk.nord.names(talk.space) == names
    with house.ground.database.reading() as session:
        back = house.identity.people.by_wire_id(session, yann.wire_id)
        assert house.identity.accounts.without_password(session, [back]) == {back.id}
    assert (back.name, back.actor, back.role) == (yann.name, yann.actor, yann.role)
    assert house.fact("SELECT count(*) FROM audit WHERE action = 'exchange.restored-unproved'") == 0
    assert house.fact("SELECT subject FROM audit WHERE action = 'exchange.restored-person'") == yann.actor

    say(house.ground, talk.space, yann.actor, "again of Yann")
    talk.settle()
    assert contents(talk.aubier.ground) == contents(talk.nord.ground) != expected


def _joins(talk: Talk, house: House, person: Person) -> None:
    if house is talk.nord:
        house.join(person, talk.space, talk.aubier)
        return
    spaces.add_member(house.ground, house.by(talk.ines), house.key_of(talk.space), person.wire_id)
    talk.settle()


def _restored_after_talk(talk: Talk, house: House) -> None:
    _backup(house)
    talk.from_host("lost")
    talk.from_guest("lost too")
    talk.settle()
    _restore(house)
    assert recovery.at_start(house.ground) == set()
    talk.settle()
    talk.nord.settle_jobs()


def test_a_guest_that_was_restored_compares_its_copies_at_once(
    make_house: MakeHouse, kept: dict[str, str]
) -> None:
    talk, nord = _two(make_house, "guest", kept)
    compared = "SELECT count(*) FROM replica_run WHERE state = 'equal'"
    recovery.at_start(nord.ground)
    nord.settle_jobs()
    assert nord.fact(compared) == 0  # nothing was lacking
    _restored_after_talk(talk, nord)
    assert nord.fact(compared) == 1
    assert contents(talk.aubier.ground) == contents(nord.ground)


def test_a_guest_compares_its_copies_soon_after_their_host_was_restored(
    make_house: MakeHouse, kept: dict[str, str]
) -> None:
    talk, aubier = _two(make_house, "host", kept)
    _restored_after_talk(talk, aubier)
    waiting = [task.name for task in talk.nord.ground.jobs._huey.scheduled()]
    assert waiting == ["replicas.compare"]


def test_a_host_that_lacks_what_was_erased_since_its_backup_holds_its_own_order_whole(talk: Talk) -> None:
    _backup(talk.aubier)
    said = talk.from_host("erased since")
    talk.settle()
    asked = Recall(Mode.ERASE, "mistake", rfc3339(talk.aubier.clock.now()), (), None)
    with open_work(talk.aubier.ground) as work:
        document = {"type": "Delete", "to": [talk.space], "audience": talk.space, "object": said.object_id}
        publish(talk.aubier.ground, work, {**document, **recall.document(asked)}, talk.ines.actor)
    talk.settle()
    _restore(talk.aubier)
    assert recovery.at_start(talk.aubier.ground) == set()
    talk.from_host("goes on")
    talk.settle()
    number = int(talk.nord.fact("SELECT id FROM space WHERE iri = :iri", iri=talk.space))
    run = runs.compare(talk.nord.ground, number)
    rev = talk.aubier.fact("SELECT rev FROM space WHERE iri = :iri", iri=talk.space)
    assert (run.state, run.as_of) == ("equal", rev)


def test_what_a_partner_says_waits_until_it_has_told_how_much_of_our_log_it_has(talk: Talk) -> None:
    aubier, nord = talk.aubier, talk.nord
    _backup(aubier)
    talk.from_host("lost")
    talk.settle()
    _restore(aubier)
    aubier.net.down.add(nord.origin)
    relation = aubier.relation(nord)
    assert recovery.at_start(aubier.ground) == {relation.id}
    aubier.net.down.clear()
    talk.from_guest("first to come")
    before = aubier.fact("SELECT rev FROM space WHERE iri = :iri", iri=talk.space)
    verdict = nord.deliver(aubier)
    with open_reading(nord.ground) as work:
        hello = delivery.hello(nord.relation(aubier), work, settings_of(nord.ground))
    assert nord.net.send(hello.request).status == OK
    assert verdict == delivery.Retry("503 This node has just started. Try again in a moment.", 5)
    assert aubier.fact("SELECT rev FROM space WHERE iri = :iri", iri=talk.space) == before
    Lane(aubier.ground, relation, met=False).step()
    talk.settle()
    assert contents(aubier.ground) == contents(nord.ground) == ["<p>lost</p>", "<p>first to come</p>"]
    assert _same(talk)


def test_a_partner_that_reaches_us_though_we_do_not_reach_it_waits_for_a_while_only(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk.aubier.net.down.add(talk.nord.origin)
    recovery.at_start(talk.aubier.ground)
    talk.from_guest("waits")
    assert isinstance(talk.nord.deliver(talk.aubier), delivery.Retry)
    monkeypatch.setattr(memory, "UNMET_S", 0.0)
    recovery.at_start(talk.aubier.ground)
    assert isinstance(talk.nord.deliver(talk.aubier), delivery.Delivered)


def test_what_one_partner_alone_was_told_goes_to_the_other_in_its_place(talk: Talk, leroux: House) -> None:
    aubier, nord = talk.aubier, talk.nord
    peered(aubier, leroux)
    owen = leroux.person("Owen Hart")
    opened(aubier, leroux, aubier.key_of(talk.space), talk.ines, owen)
    talk.settle()
    _backup(aubier)
    talk.from_host("told to one")
    aubier.deliver(nord)
    _restore(aubier)
    assert recovery.at_start(aubier.ground) == set()
    talk.from_host("goes on")
    exchange_all(aubier, nord, leroux)
    assert contents(aubier.ground) == contents(nord.ground) == contents(leroux.ground)
    assert contents(aubier.ground)[-2:] == ["<p>told to one</p>", "<p>goes on</p>"]
    assert leroux.fact("SELECT count(*) FROM missing_rev") == 0
