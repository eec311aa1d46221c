"""What a message costs, in counts (PERFORMANCE, section 3): never noisy, so asserted."""

from __future__ import annotations

import pytest

from federation import delivery
from node.exchange import service as exchange
from node.spaces.services import reading as spaces
from node.threads.services import reading
from tests.node.spaces.world import House, opened
from tests.node.threads.talk import begin, reply, seen


@pytest.fixture
def talking(partners: tuple[House, House]) -> tuple[House, House, str]:
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir")
    iri = opened(aubier, nord, aubier.space(ines), ines, marie)
    nord.join(marie, iri, aubier)
    return aubier, nord, iri


@pytest.mark.parametrize("direction", ["from the host", "to the host"])
def test_a_batch_of_fifty_costs_six_statements_an_activity_and_one_commit(
    talking: tuple[House, House, str], direction: str
) -> None:
    aubier, nord, iri = talking
    sender, receiver = (aubier, nord) if direction == "from the host" else (nord, aubier)
    with sender.ground.database.reading() as session:
        author = sender.identity.people.active(session)[0]
    said = begin(sender, author, sender.key_of(iri), "Un premier mot.")
    sender.deliver(receiver)
    receiver.deliver(sender)
    for number in range(50):
        reply(sender, author, said.thread, f"Message {number}.")
    with exchange.open_work(sender.ground) as work:
        relation = work.peers.of_node(receiver.iri)
        assert relation is not None
        parcel = delivery.prepare(relation, work, exchange.settings_of(sender.ground), 50)
    assert len(parcel.entries) == 50
    with receiver.ground.database.counting() as counted:
        answer = sender.net.send(parcel.request)
    assert answer.status == 200
    assert receiver.count("post") == 51
    assert counted.commits == 1
    assert counted.statements <= 6 * 50


def test_the_latest_twenty_cost_the_same_however_long_the_history(
    talking: tuple[House, House, str],
) -> None:
    aubier, _, iri = talking
    with aubier.ground.database.reading() as session:
        ines = aubier.identity.people.active(session)[0]
    said = begin(aubier, ines, aubier.key_of(iri), "Un premier mot.")
    for number in range(30):
        reply(aubier, ines, said.thread, f"Message {number}.")
    with aubier.ground.database.reading() as session:
        space = spaces.of_person(session, ines.actor)[0]
        with aubier.ground.database.counting() as counted:
            found = reading.latest(session, space, most=20)
    assert len(found) == 20
    assert counted.statements <= 3


def test_a_post_at_home_costs_one_commit(talking: tuple[House, House, str]) -> None:
    aubier, _, iri = talking
    with aubier.ground.database.reading() as session:
        ines = aubier.identity.people.active(session)[0]
    said = begin(aubier, ines, aubier.key_of(iri), "Un premier mot.")
    with aubier.ground.database.counting() as counted:
        reply(aubier, ines, said.thread, "Un autre.")
    assert counted.commits == 1
    assert counted.statements <= 20
    assert len(seen(aubier, ines)) == 2
