"""The life of a space and of what is said in it with PostgreSQL on one side, SQLite on the other."""

from __future__ import annotations

import json
from io import BytesIO

import pytest

from federation.ports import Role
from node.files import service as files
from node.spaces.services import asking, forks, relays, requests, sharing
from node.spaces.services import reading as spaces
from node.spaces.services import spaces as use
from node.threads.services import posting, reading
from node.threads.services.posting import Draft
from tests.node.spaces.world import House, MakeHouse, exchange_all, opened, peered
from tests.node.threads.talk import begin, latest, reply, seen, texts, thread_key

PLAN = b"%PDF-1.7\nplan"


@pytest.fixture(params=["host", "guest"])
def pair(request: pytest.FixtureRequest, make_house: MakeHouse, postgresql_url: str) -> tuple[House, House]:
    """Host and guest; one of them on PostgreSQL."""
    large, small = {"database_url": postgresql_url}, dict[str, str]()
    on_host = request.param == "host"
    host = make_house("aubier", **(large if on_host else small))
    guest = make_house("nord-acier", "Nord Acier", **(small if on_host else large))
    peered(host, guest)
    return host, guest


@pytest.mark.postgresql
def test_the_whole_life(pair: tuple[House, House]) -> None:
    host, guest = pair
    ines, bruno, marie = (
        host.person("Inès Le Goff"),
        host.person("Bruno Maillard"),
        guest.person("Marie Lenoir"),
    )
    key = host.space(ines)
    use.add_member(host.ground, host.by(ines), key, bruno.wire_id)
    said = begin(host, ines, key, "Avant.")
    iri = opened(host, guest, key, ines, marie)
    guest.join(marie, iri, host)
    assert host.names(iri) == guest.names(iri) == ["Bruno Maillard", "Inès Le Goff", "Marie Lenoir"]
    assert texts(guest, marie) == ["Avant."]

    taken = files.take_in(guest.ground, "plan.pdf", BytesIO(PLAN))
    answer = reply(guest, marie, thread_key(guest, marie), "Voir le plan, @ines.le.goff.", files=(taken,))
    assert [each.state for each in seen(guest, marie)] == ["accepted", "pending"]
    exchange_all(host, guest)
    host.settle_jobs()
    assert [each.files[0].state for each in seen(host, ines)[1:]] == ["here"]
    posting.like(host.ground, host.by(bruno), answer.post)
    posting.edit(host.ground, host.by(ines), said.post, Draft("Avant, corrigé.", title="Grue"))
    exchange_all(host, guest)
    assert texts(guest, marie) == ["Avant, corrigé.", "Voir le plan, @Inès Le Goff."]
    assert [each.likes for each in seen(guest, marie)] == [0, 1]
    assert latest(guest, marie)[0].startswith("Voir le plan")

    with guest.ground.database.reading() as session:
        cursor = reading.now(session)
    posting.hide(host.ground, host.by(ines), answer.post)
    exchange_all(host, guest)
    with guest.ground.database.reading() as session:
        fresh = reading.fresh(session, {1: 3}, cursor)
        assert [row.state for row in fresh.rows] == ["hidden"]
        assert reading.fresh(session, {1: 3}, fresh.cursor).rows == []

    bruno_key = next(each.key for each in host.readers(iri) if each.name == "Bruno Maillard")
    use.give_role(host.ground, host.by(ines), key, bruno_key, Role.MANAGER)
    exchange_all(host, guest)
    assert guest.count("missing_rev") == 0
    sharing.leave_as_organisation(guest.ground, guest.by(marie), guest.key_of(iri))
    exchange_all(host, guest)
    host.settle_jobs()
    assert host.names(iri) == ["Bruno Maillard", "Inès Le Goff"]
    assert guest.sees(marie) == []


@pytest.mark.postgresql
def test_a_hole_is_marked_and_closed(pair: tuple[House, House]) -> None:
    """What is missing shows until it comes: PRODUCT B12."""
    host, guest = pair
    ines, marie = host.person("Inès Le Goff"), guest.person("Marie Lenoir")
    key = host.space(ines)
    iri = opened(host, guest, key, ines, marie)
    guest.join(marie, iri, host)
    from node.exchange import service as exchange
    from node.spaces.register import register_of

    with exchange.open_work(guest.ground) as work:
        register = register_of(work.session, guest.ground)
        register.advance(iri, register.get(iri).rev + 3)
    assert guest.count("missing_rev") == 2
    with exchange.open_work(guest.ground) as work:
        register = register_of(work.session, guest.ground)
        register.advance(iri, register.get(iri).rev - 1)
    assert guest.count("missing_rev") == 1


@pytest.fixture(params=["host", "author"])
def trio(request: pytest.FixtureRequest, make_house: MakeHouse, postgresql_url: str) -> list[House]:
    """Host, author and a third; one of the first two on PostgreSQL."""
    urls = {request.param: {"database_url": postgresql_url}}
    names = (("host", "aubier", "Aubier"), ("author", "nord-acier", "Nord Acier"), ("", "leroux", "Leroux"))
    return [make_house(name, called, **urls.get(part, {})) for part, name, called in names]


@pytest.mark.postgresql
def test_three_organisations_their_receipts_and_their_rosters(trio: list[House]) -> None:
    host, author, third = trio
    for one, other in ((host, author), (host, third), (author, third)):
        peered(one, other)
    ines, marie = host.person("Inès Le Goff"), author.person("Marie Lenoir")
    key = host.space(ines)
    asking.ask(author.ground, author.by(marie), host.iri_of(key))
    exchange_all(host, author)
    iri = opened(host, author, key, ines, marie)
    opened(host, third, key, ines, third.person("Owen Hart"))
    requests.answer(host.ground, host.by(ines), key, host.fact("SELECT key FROM join_request"), accept=True)
    exchange_all(host, author, third)
    assert author.fact("SELECT state FROM asked") == "accepted"
    begin(author, marie, author.key_of(iri), "Voici la note.")
    exchange_all(author, host, third)
    number = author.fact("SELECT id FROM space WHERE iri = :iri", iri=iri)
    relays.pull_all.run(author.ground)
    author.settle_jobs()
    with author.ground.database.reading() as session:
        space = spaces.of_person(session, marie.actor)[0]
        relays.look(author.ground, session, space)
        rev = author.fact("SELECT rev FROM post")
        assert {node: mark.state for node, mark in relays.marks(session, number, rev).items()} == {
            third.iri: "delivered"
        }
        assert relays.settled(session, number) == space.rev
    forks.compare_all.run(author.ground)
    author.settle_jobs()
    assert author.count("roster_fork") == 0
    parted = json.dumps({"version": 99})
    forks.keep.run(author.ground, number, parted, third.iri)
    forks.keep.run(author.ground, number, parted, third.iri)
    assert author.count("roster_fork") == 1
    sharing.renew_keys.run(host.ground)
    sharing.remove_organisation(host.ground, host.by(ines), key, third.iri)
    exchange_all(host, author, third)
    with author.ground.database.reading() as session:
        assert forks.forked_at(session, number) is not None
        former = author.ground.work(session).spaces.former(iri)
    assert [each.node for each in former] == [third.iri]
