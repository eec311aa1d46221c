"""Both sides sign what the log is; and what they do when their histories part (PROTOCOL 2.b)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text

from federation import delivery, exchange, merkle
from federation.digest import multibase_of, sha256_of
from federation.errors import NotFound
from federation.ports import State
from node.exchange import histories, jobs, service
from node.exchange.lanes import Lane
from node.exchange.service import fetch_proved, open_reading, open_work
from node.exchange.unit import content_digest_of
from tests.node.exchange.talk import Talk
from tests.node.spaces.world import House


def _rows(house: House, query: str) -> list[Any]:
    with house.ground.database.reading() as session:
        return list(session.execute(text(query)))


def _root(house: House, ours: bool) -> str:
    table = "out_entry" if ours else "in_entry"
    return multibase_of(
        merkle.root(bytes(row[0]) for row in _rows(house, f"SELECT entry_hash FROM {table} ORDER BY seq"))
    )


def rewrite(house: House, seq: int) -> None:
    """A node that rewrites its log from entry `seq` on: another time, so another hash for all that follow."""
    with open_work(house.ground) as work:
        rows = work.session.execute(
            text(
                "SELECT e.stream_id, e.seq, e.time, e.entry_hash, a.iri, a.type, a.digest, s.iri AS stream"
                " FROM out_entry e JOIN activity a ON a.id = e.activity_id JOIN stream s ON s.id = e.stream_id"
                " WHERE e.seq >= :before ORDER BY e.seq"
            ),
            {"before": seq - 1},
        ).all()
        prev = multibase_of(rows[0].entry_hash)
        for row in rows[1:]:
            moment = "2026-01-01T00:00:00Z" if row.seq == seq else row.time
            made = exchange.entry(
                row.stream, row.seq, prev, row.iri, row.type, content_digest_of(row.digest), moment
            )
            prev = made.entry_hash
            values = {"hash": sha256_of(prev), "time": moment, "stream": row.stream_id, "seq": row.seq}
            work.session.execute(
                text(
                    "UPDATE out_entry SET entry_hash = :hash, time = :time WHERE stream_id = :stream AND seq = :seq"
                ),
                values,
            )
        work.session.execute(
            text("UPDATE stream SET entry_hash = :hash WHERE id = :stream"),
            {"hash": sha256_of(prev), "stream": rows[0].stream_id},
        )


def test_the_partner_confirms_what_the_log_is(talk: Talk) -> None:
    talk.from_guest("one")
    talk.settle()
    assert histories.checkpoint(talk.nord.ground, talk.relation_id(talk.nord)) is True
    for house in (talk.nord, talk.aubier):
        with open_reading(house.ground) as work:
            (found,) = histories.latest(work, talk.relation_id(house))
        assert (found.ours, found.agreed) == (house is talk.nord, True)
        assert found.size == house.fact(f"SELECT max(seq) FROM {'out' if found.ours else 'in'}_entry")
    assert _root(talk.nord, ours=True) == _root(talk.aubier, ours=False)
    assert histories.checkpoint(talk.nord.ground, talk.relation_id(talk.nord)) is None  # nothing new


def test_a_checkpoint_is_signed_as_often_as_the_agreement_asks(talk: Talk) -> None:
    jobs.sign_checkpoints.run(talk.aubier.ground)
    assert talk.fact(talk.aubier, "SELECT count(*) FROM checkpoint WHERE ours") == 1
    talk.from_host("more")
    talk.settle()
    jobs.sign_checkpoints.run(talk.aubier.ground)
    assert talk.fact(talk.aubier, "SELECT count(*) FROM checkpoint WHERE ours") == 1
    talk.aubier.clock.move(hours=24)
    jobs.sign_checkpoints.run(talk.aubier.ground)
    assert talk.fact(talk.aubier, "SELECT count(*) FROM checkpoint WHERE ours AND agreed") == 2


def test_a_partner_that_is_away_is_asked_again(talk: Talk) -> None:
    talk.aubier.net.down.add(talk.nord.origin)
    jobs.sign_checkpoints.run(talk.aubier.ground)
    assert talk.fact(talk.aubier, "SELECT count(*) FROM checkpoint") == 0
    talk.aubier.net.down.clear()
    jobs.sign_checkpoints.run(talk.aubier.ground)
    assert talk.fact(talk.aubier, "SELECT count(*) FROM checkpoint") == 1


def test_no_entry_is_hashed_into_a_block_twice(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merkle, "BLOCK", 2)
    for number in range(4):
        talk.from_host(str(number))
    talk.settle()
    relation = talk.relation_id(talk.aubier)
    assert histories.checkpoint(talk.aubier.ground, relation) is True
    kept = talk.fact(talk.aubier, "SELECT count(*) FROM log_block")
    assert kept == talk.fact(talk.aubier, "SELECT max(seq) FROM out_entry") // 2
    assert talk.fact(talk.nord, "SELECT count(*) FROM log_block") == kept
    talk.from_host("more")
    talk.settle()
    assert histories.checkpoint(talk.aubier.ground, relation) is True
    mine = talk.aubier.relation(talk.nord)
    with open_reading(talk.aubier.ground) as work:
        (found,) = histories.latest(work, relation)
        said = work.checkpoints.of_size(mine, mine.stream_out, found.size)
    assert said[0]["root"] == _root(talk.aubier, ours=True)


def test_a_rewritten_log_is_found_and_both_versions_are_kept(talk: Talk) -> None:
    for number in range(6):
        talk.from_guest(str(number))
    talk.settle()
    assert histories.checkpoint(talk.nord.ground, talk.relation_id(talk.nord)) is True
    last = talk.fact(talk.nord, "SELECT max(seq) FROM out_entry")
    rewrite(talk.nord, last - 3)
    talk.from_guest("withdrawn by the author")
    verdict = talk.nord.deliver(talk.aubier)
    assert isinstance(verdict, delivery.Stopped)
    assert talk.aubier.relation(talk.nord).state is State.IN_FORCE
    assert histories.search(talk.aubier.ground) >= 1
    with open_reading(talk.aubier.ground) as work:
        found = histories.disputes(work, talk.relation_id(talk.aubier))
    chain, fork = found
    assert (chain.conflict, chain.first, chain.ours) == ("chain", last - 3, False)
    assert chain.our_version is not None
    assert chain.their_version is not None
    assert chain.our_version.activity == chain.their_version.activity
    assert chain.their_version.time == "2026-01-01T00:00:00Z"
    assert chain.our_version.entry_hash != chain.their_version.entry_hash
    assert "by the author" not in json.dumps([each.evidence for each in found])  # nothing to call back
    *request, mine = chain.evidence
    assert mine["head"] == chain.their_version.entry_hash  # type: ignore[index]
    assert chain.their_hash in str(request)  # what the partner signed as it sent
    # The partner had signed the head of the first history, and now signs another one for the same size.
    assert fork.conflict == "equivocation"
    heads = {said["head"] for said in fork.evidence}  # type: ignore[index]
    assert len(heads) == 2
    relation = talk.aubier.relation(talk.nord)
    assert (relation.state, relation.suspended_here) == (State.SUSPENDED, True)


def test_a_lane_that_is_told_of_another_history_has_it_on_record_on_both_sides(talk: Talk) -> None:
    talk.from_guest("one")
    talk.settle()
    rewrite(talk.nord, talk.fact(talk.nord, "SELECT max(seq) FROM out_entry"))
    talk.from_guest("two")
    sent = Lane(talk.nord.ground, talk.nord.relation(talk.aubier)).step()
    assert sent is not None
    assert isinstance(sent.verdict, delivery.Stopped)
    for house in (talk.nord, talk.aubier):
        histories.search(house.ground)
        with open_reading(house.ground) as work:
            found = histories.disputes(work, talk.relation_id(house))
        assert "checkpoint" in {each.conflict for each in found}
        assert all(each.first for each in found)


def test_a_disputed_stream_stops_for_good(talk: Talk) -> None:
    talk.from_guest("one")
    talk.settle()
    rewrite(talk.nord, talk.fact(talk.nord, "SELECT max(seq) FROM out_entry"))
    talk.from_guest("two")
    talk.nord.deliver(talk.aubier)
    before = talk.fact(talk.aubier, "SELECT max(seq) FROM in_entry")
    with open_work(talk.nord.ground) as work:
        work.session.execute(text("UPDATE stream SET acknowledged = acknowledged"))
    talk.from_guest("three")
    assert isinstance(talk.nord.deliver(talk.aubier), delivery.Stopped)
    assert talk.fact(talk.aubier, "SELECT max(seq) FROM in_entry") == before
    assert talk.fact(talk.aubier, "SELECT count(*) FROM dispute") == 1


def test_a_checkpoint_that_differs_is_rejected_and_disputed_on_both_sides(talk: Talk) -> None:
    talk.from_guest("one")
    talk.settle()
    last = talk.fact(talk.nord, "SELECT max(seq) FROM out_entry")
    rewrite(talk.nord, last)
    assert histories.checkpoint(talk.nord.ground, talk.relation_id(talk.nord)) is False
    for house in (talk.nord, talk.aubier):
        assert histories.search(house.ground) == 1
        with open_reading(house.ground) as work:
            (found,) = histories.disputes(work, talk.relation_id(house))
        assert (found.conflict, found.first) == ("checkpoint", last)
        assert found.our_version is not None
        assert found.their_version is not None


@pytest.mark.parametrize("what", ["other stream", "stranger", "too many"])
def test_a_checkpoint_is_read_by_the_partner_alone(talk: Talk, what: str) -> None:
    relation = talk.nord.relation(talk.aubier)
    url = {
        "other stream": f"{relation.exchange}/checkpoint?stream=https%3A%2F%2Fx.example&size=1",
        "too many": f"{relation.stream_in}/checkpoint?size=9999",
        "stranger": f"{relation.stream_in}/checkpoint",
    }[what]
    with pytest.raises(NotFound):
        fetch_proved(talk.nord.ground, relation, url)


def test_what_has_no_receipt_in_time_is_unconfirmed_and_on_record_once(talk: Talk) -> None:
    said = talk.from_host("nobody answers")
    house, relation = talk.aubier, talk.relation_id(talk.aubier)
    house.clock.move(minutes=4)
    jobs.tell_unconfirmed.run(house.ground)
    assert _state(house, said.id, relation) == ("queued", False)
    house.clock.move(minutes=1)
    for _ in range(2):
        jobs.tell_unconfirmed.run(house.ground)
    assert _state(house, said.id, relation) == ("unconfirmed", True)
    assert house.fact("SELECT count(*) FROM audit WHERE action = 'delivery.unconfirmed'") == 1
    talk.settle()
    jobs.tell_unconfirmed.run(house.ground)
    assert _state(house, said.id, relation) == ("delivered", False)


def _state(house: House, activity: str, relation: str) -> tuple[str, bool]:
    """The mark of a post, and whether the page of the partner tells of it."""
    now = house.clock.now()
    with house.ground.database.reading() as session:
        (mark,) = service.marks(session, [activity], now)[activity]
        return mark.state, service.health(session, relation, now).unconfirmed is not None
