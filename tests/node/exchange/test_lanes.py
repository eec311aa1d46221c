"""Lanes between two real nodes: what is sent when, what the answer does, what others see of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from federation.delivery import Delivered, Refused, Retry, Stopped
from federation.errors import Unreachable
from federation.http import Headers, Request, Response
from federation.synchronization import FIELD
from node.exchange import lanes as lanes_module
from node.exchange import service as exchange
from node.exchange.lanes import Lane, Lanes, Sent
from node.exchange.leases import Leases
from tests.node.exchange.talk import Talk, contents
from tests.node.spaces.world import House


class Wire:
    """The way out of a lane; `answer` may replace what the partner says."""

    def __init__(self, talk: Talk) -> None:
        self.talk, self.sent = talk, list[Request]()
        self.answer: Callable[[Request], Response] | None = None

    def post(self, list_name: str, request: Request) -> Response:
        assert list_name == "peers"
        self.sent.append(request)
        if self.answer is not None:
            return self.answer(request)
        return self.talk.aubier.net.send(request)

    def close(self) -> None:
        pass


@pytest.fixture
def wire(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> Wire:
    made = Wire(talk)
    monkeypatch.setattr(lanes_module, "egress_of", lambda ground: made)
    return made


def _lane(talk: Talk, house: House) -> Lane:
    other = talk.nord if house is talk.aubier else talk.aubier
    Leases(house.ground).take([house.relation(other)])
    return Lane(house.ground, house.relation(other))


def _all(lane: Lane) -> list[Sent]:
    sent = []
    while (one := lane.step()) is not None:
        sent.append(one)
    return sent


def test_the_first_thing_a_lane_says_is_hello(talk: Talk, wire: Wire) -> None:
    sent = _all(_lane(talk, talk.aubier))
    assert [len(one.parcel.entries) for one in sent] == [0]
    assert isinstance(sent[0].verdict, Delivered)


def test_now_and_then_a_lane_says_who_is_in_a_space(talk: Talk, wire: Wire) -> None:
    lane = _lane(talk, talk.aubier)
    for number in range(3):
        talk.from_host(str(number))
        _all(lane)
        talk.aubier.clock.move(minutes=6)
    said = [request.headers.get(FIELD) for request in wire.sent if request.headers.get(FIELD)]
    assert len(said) == 2


def test_what_was_said_arrives_with_one_post_and_is_acknowledged(talk: Talk, wire: Wire) -> None:
    said = [talk.from_host(str(number)) for number in range(3)]
    sent = _all(_lane(talk, talk.aubier))
    assert [len(one.parcel.entries) for one in sent] == [3]
    assert contents(talk.nord.ground) == ["<p>0</p>", "<p>1</p>", "<p>2</p>"]
    with talk.aubier.ground.database.reading() as session:
        marks = exchange.marks(session, [each.id for each in said])
        health = exchange.health(session, talk.relation_id(talk.aubier))
    assert [[mark.state for mark in each] for each in marks.values()] == [["delivered"]] * 3
    assert (health.queued, health.oldest, health.since) == (0, None, None)
    assert health.last_out == talk.aubier.ground.clock.now()


def test_a_backlog_goes_out_in_large_batches(talk: Talk, wire: Wire) -> None:
    for number in range(210):
        talk.from_host(str(number))
    sent = _all(_lane(talk, talk.aubier))
    assert [len(one.parcel.entries) for one in sent] == [200, 10]
    assert len(contents(talk.nord.ground)) == 210


def test_a_partner_that_is_away_is_late_after_a_minute(talk: Talk, wire: Wire) -> None:
    said = talk.from_host("anybody there?")
    lane = _lane(talk, talk.aubier)

    def silence(request: Request) -> Response:
        raise Unreachable("takes no connection")

    wire.answer = silence
    assert isinstance(_all(lane)[-1].verdict, Retry)
    with talk.aubier.ground.database.reading() as session:
        now = talk.aubier.ground.clock.now()
        assert exchange.marks(session, [said.id], now)[said.id][0].state == "queued"
    talk.aubier.clock.move(seconds=61)
    _all(lane)
    with talk.aubier.ground.database.reading() as session:
        now = talk.aubier.ground.clock.now()
        assert exchange.marks(session, [said.id], now)[said.id][0].state == "late"
        health = exchange.health(session, talk.relation_id(talk.aubier))
    assert health.queued == 1
    assert health.failures >= 2
    assert "no connection" in health.reason
    wire.answer = None
    talk.aubier.clock.move(seconds=3)
    lane.hint()
    assert isinstance(_all(lane)[-1].verdict, Delivered)
    with talk.aubier.ground.database.reading() as session:
        health = exchange.health(session, talk.relation_id(talk.aubier))
    assert (health.failures, health.since, health.queued) == (0, None, 0)


def test_what_has_no_receipt_in_the_time_agreed_on_is_unconfirmed(talk: Talk) -> None:
    said = talk.from_host("unheard")

    def state(after_s: int) -> tuple[str, bool]:
        now = talk.aubier.ground.clock.now() + timedelta(seconds=after_s)
        with talk.aubier.ground.database.reading() as session:
            health = exchange.health(session, talk.relation_id(talk.aubier), now)
            return exchange.marks(session, [said.id], now)[said.id][0].state, health.unconfirmed is not None

    assert state(299) == ("queued", False)
    assert state(301) == ("unconfirmed", True)
    talk.aubier.propose(talk.nord, receipt_min=60)
    talk.aubier.settle_jobs()
    talk.nord.agree(talk.aubier)
    for each in (talk.nord, talk.aubier):
        each.settle_jobs()
    assert state(301) == ("queued", False)
    assert state(3601) == ("unconfirmed", True)


def test_a_request_of_the_partner_while_an_attempt_fails_earns_another_at_once(
    talk: Talk, wire: Wire
) -> None:
    talk.from_host("anybody there?")
    lane = _lane(talk, talk.aubier)
    arrived = threading.Event()

    def silence(request: Request) -> Response:
        if len(wire.sent) == 2:  # the partner speaks while our attempt is on its way
            talk.aubier.ground.wake.notify(f"alive:{lane.node}")
        if len(wire.sent) < 3:
            raise Unreachable("takes no connection")
        lane.ended = True
        arrived.set()
        return talk.aubier.net.send(request)

    wire.answer = silence
    thread = threading.Thread(target=lane.run, daemon=True)
    thread.start()
    assert arrived.wait(1)
    thread.join(5)
    assert contents(talk.nord.ground) == ["<p>anybody there?</p>"]


def test_a_lane_goes_on_where_another_process_left_it(talk: Talk, wire: Wire) -> None:
    talk.from_host("waits")

    def silence(request: Request) -> Response:
        raise Unreachable("takes no connection")

    wire.answer = silence
    _all(_lane(talk, talk.aubier))
    lane = _lane(talk, talk.aubier)
    lane.step()
    assert lane.course is not None
    assert lane.course.failures >= 2


def test_a_refusal_pauses_the_lane_and_is_on_record_once(talk: Talk, wire: Wire) -> None:
    talk.from_host("refused")
    wire.answer = lambda request: Response(403, Headers(), b'{"detail":"The relation is suspended."}')
    lane = _lane(talk, talk.aubier)
    assert [type(one.verdict) for one in _all(lane)] == [Refused]
    talk.aubier.clock.move(hours=7)
    assert [type(one.verdict) for one in _all(lane)] == [Refused]
    noted = [line for line in talk.aubier.audited() if line.startswith("delivery.refused")]
    assert len(noted) == 1
    assert "suspended" in noted[0]
    wire.answer = None
    talk.aubier.clock.move(hours=7)
    assert isinstance(_all(lane)[-1].verdict, Delivered)


def test_another_history_stops_the_lane_until_an_admin_resumes(talk: Talk, wire: Wire) -> None:
    talk.from_host("disputed")
    problem = (
        b'{"type":"https://w3id.org/parvis/v1#digest-mismatch","detail":"Entry 3 has another hash here."}'
    )
    wire.answer = lambda request: Response(409, Headers(), problem)
    assert [type(one.verdict) for one in _all(_lane(talk, talk.aubier))] == [Stopped]
    wire.answer = None
    talk.aubier.clock.move(days=1)
    assert _all(_lane(talk, talk.aubier)) == []
    lane = _lane(talk, talk.aubier)
    assert _all(lane) == []
    with exchange.open_work(talk.aubier.ground) as work:
        exchange.resume(work, talk.relation_id(talk.aubier))
    assert isinstance(_all(lane)[-1].verdict, Delivered)


def test_an_answer_that_is_not_signed_acknowledges_nothing(talk: Talk, wire: Wire) -> None:
    talk.from_host("who signed for it?")

    def unsigned(request: Request) -> Response:
        response = talk.aubier.net.send(request)
        kept = [pair for pair in response.headers if "signature" not in pair[0].lower()]
        return replace(response, headers=Headers(kept))

    wire.answer = unsigned
    lane = _lane(talk, talk.aubier)
    assert isinstance(lane.step(), Sent)
    with exchange.open_reading(talk.aubier.ground) as work:
        relation = talk.aubier.relation(talk.nord)
        assert work.log.acknowledged(relation) < work.log.head(relation).seq
    wire.answer = None
    _all(lane)
    assert contents(talk.nord.ground) == ["<p>who signed for it?</p>"]


def test_without_the_lease_nothing_is_sent(talk: Talk, wire: Wire) -> None:
    talk.from_host("not mine to send")
    lane = _lane(talk, talk.aubier)
    lane.leased_until = 0.0
    assert lane.step() is None
    assert wire.sent == []


def test_a_lease_is_held_by_one_process_until_it_ends(talk: Talk) -> None:
    relation = talk.aubier.relation(talk.nord)
    mine, other = Leases(talk.aubier.ground), Leases(talk.aubier.ground)
    other._holder = "elsewhere/1/1"
    assert mine.take([relation]) == {relation.id}
    assert other.take([relation]) == set()
    talk.aubier.clock.move(seconds=9)
    assert mine.take([relation]) == {relation.id}
    talk.aubier.clock.move(seconds=9)
    assert other.take([relation]) == set()
    talk.aubier.clock.move(seconds=2)
    assert other.take([relation]) == {relation.id}
    other.give_back()
    assert mine.take([relation]) == {relation.id}


def test_the_lease_of_a_process_that_is_gone_is_free_at_once(talk: Talk) -> None:
    relation = talk.aubier.relation(talk.nord)
    mine, dead = Leases(talk.aubier.ground), Leases(talk.aubier.ground)
    host = mine._holder.partition("/")[0]
    dead._holder = f"{host}/999999999/1"
    assert dead.take([relation]) == {relation.id}
    assert mine.take([relation]) == {relation.id}


def test_threads_deliver_what_is_said_and_end_when_told(talk: Talk, wire: Wire) -> None:
    running = Lanes(talk.aubier.ground)
    token = talk.nord.ground.wake.token()
    running.start()
    try:
        said = talk.from_host("by itself")
        for _ in range(100):
            with talk.aubier.ground.database.reading() as session:
                if [mark.state for mark in exchange.marks(session, [said.id])[said.id]] == ["delivered"]:
                    break
            talk.nord.ground.wake.wait("nothing", timeout=0.05, since=token)
        assert contents(talk.nord.ground) == ["<p>by itself</p>"]
    finally:
        running.stop()
    assert talk.fact(talk.aubier, "SELECT lease_holder FROM lane") == ""
