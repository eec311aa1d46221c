"""Lines that fail through our own fault: kept, tried again, given up, each time receipted (DECISIONS 21)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from federation import receipts
from federation.ports import Effect, Outcome
from node.exchange import held
from node.exchange import service as exchange
from node.threads.ports import Objects
from tests.node.exchange.talk import Talk, contents
from tests.node.spaces.world import House


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Words that the node fails to store while they are in this set."""
    words: set[str] = set()
    plain = Objects.create

    def create(self: Objects, effect: Effect) -> None:
        if effect.space.hosted and any(word in str(effect.activity.document) for word in words):
            raise RuntimeError("a bug of ours")
        plain(self, effect)

    monkeypatch.setattr(Objects, "create", create)
    return words


def _outcomes(talk: Talk) -> list[str]:
    with talk.aubier.ground.database.reading() as session:
        rows = session.connection().exec_driver_sql("SELECT outcome FROM in_entry ORDER BY seq DESC LIMIT 3")
        return [row.outcome for row in rows][::-1]


def _standing(talk: Talk, said: list[str], days: int = 0) -> tuple[object, ...]:
    """The states of what nord said, and since when something has no final receipt, as seen in some days."""
    now = talk.nord.clock.now() + timedelta(days=days)
    with talk.nord.ground.database.reading() as session:
        marks = exchange.marks(session, said, now)
        unconfirmed = exchange.health(session, talk.relation_id(talk.nord), now).unconfirmed
    return *([mark.state for mark in marks[each]] for each in said), unconfirmed


def test_a_line_that_failed_is_applied_later_and_the_next_ones_at_once(talk: Talk, broken: set[str]) -> None:
    broken.add("poison")
    said = [talk.from_guest(words).id for words in ("before", "poison", "after")]
    talk.settle()
    assert contents(talk.aubier.ground) == ["<p>before</p>", "<p>after</p>"]
    assert _outcomes(talk) == ["processed", "received", "processed"]
    assert _standing(talk, said) == (["delivered"], ["queued"], ["delivered"], None)
    *states, unconfirmed = _standing(talk, said, days=2)
    assert states == [["delivered"], ["unconfirmed"], ["delivered"]]
    assert unconfirmed is not None
    with talk.aubier.ground.database.reading() as session:
        assert exchange.health(session, talk.relation_id(talk.aubier)).held == 1
    broken.clear()
    assert held.retry(talk.aubier.ground) == 0
    talk.aubier.clock.move(seconds=31)
    assert held.retry(talk.aubier.ground) == 1
    assert contents(talk.aubier.ground) == ["<p>before</p>", "<p>after</p>", "<p>poison</p>"]
    assert _outcomes(talk) == ["processed", "processed", "processed"]
    talk.settle()
    assert contents(talk.nord.ground) == contents(talk.aubier.ground)
    late = [line.split()[0] for line in talk.nord.audited() if line.startswith("receipt.late")]
    assert late == ["receipt.late"]
    assert _standing(talk, said) == (["delivered"], ["delivered"], ["delivered"], None)


def test_a_line_that_fails_five_times_is_given_up_and_the_author_learns_it(
    talk: Talk, broken: set[str]
) -> None:
    broken.add("poison")
    said = talk.from_guest("poison")
    talk.settle()
    for _ in range(held.MAX_TRIES):
        talk.aubier.clock.move(hours=1)
        assert held.retry(talk.aubier.ground) == 0
    talk.aubier.clock.move(hours=1)
    assert held.retry(talk.aubier.ground) == 0
    assert _outcomes(talk)[-1] == "rejected"
    talk.settle()
    assert talk.fact(talk.nord, "SELECT state FROM post") == "refused"
    with talk.nord.ground.database.reading() as session:
        assert [mark.state for mark in exchange.marks(session, [said.id])[said.id]] == ["refused"]
    with talk.aubier.ground.database.reading() as session:
        health = exchange.health(session, talk.relation_id(talk.aubier))
    assert (health.held, health.quarantined) == (0, 1)
    quarantined = [line for line in talk.aubier.audited() if line.startswith("exchange.quarantined")]
    assert len(quarantined) == 1
    assert [line for line in talk.nord.audited() if line.startswith("receipt.late-refusal")]


@pytest.mark.parametrize("became", [Outcome("rejected", held.GIVEN_UP), Outcome("processed")])
def test_a_partner_does_not_take_back_what_it_had_receipted(talk: Talk, became: Outcome) -> None:
    said = talk.from_guest("taken")
    talk.settle()
    before = _kept_by(talk.nord)
    ground, relation = talk.aubier.ground, talk.aubier.relation(talk.nord)
    node = exchange.settings_of(ground)
    with exchange.open_work(ground) as work:
        entry = next(
            entry
            for entry, _ in work.streams.entries(relation, 1, work.streams.head(relation).seq)
            if entry.activity == said.id
        )
        receipt = receipts.of_entry(node, relation, entry, became, work.now)
        exchange.tell(ground, work, relation, {"type": "Create", "object": receipt}, node.node)
    talk.settle()
    assert _kept_by(talk.nord) == before
    assert talk.fact(talk.nord, "SELECT outcome FROM in_entry ORDER BY seq DESC LIMIT 1") == "rejected"
    assert talk.nord.audited()[-1].startswith("exchange.line-rejected")
    assert not [line for line in talk.nord.audited() if line.startswith("receipt.late")]


def _kept_by(house: House) -> list[tuple[object, ...]]:
    """What a late receipt could change."""
    with house.ground.database.reading() as session:
        query = "SELECT {} ORDER BY 1, 2".format
        run = session.connection().exec_driver_sql
        entries = run(query("stream_id, seq, problem, late FROM out_entry")).all()
        posts = run(query("id, activity, state, problem FROM post")).all()
        return [tuple(row) for row in (*entries, *posts)]


def test_an_admin_may_have_a_given_up_line_tried_again(talk: Talk, broken: set[str]) -> None:
    broken.add("poison")
    talk.from_guest("poison")
    talk.settle()
    for _ in range(held.MAX_TRIES):
        talk.aubier.clock.move(hours=1)
        held.retry(talk.aubier.ground)
    broken.clear()
    with exchange.open_work(talk.aubier.ground) as work:
        exchange.resume(work, talk.relation_id(talk.aubier))
    assert held.retry(talk.aubier.ground) == 1
    assert contents(talk.aubier.ground) == ["<p>poison</p>"]


def test_a_refused_entry_is_marked_with_the_partners_reason(talk: Talk) -> None:
    said = talk.from_guest("too late")
    talk.aubier.fact("SELECT 1")
    with exchange.open_work(talk.aubier.ground) as work:
        work.session.connection().exec_driver_sql("DELETE FROM member WHERE role = 'member'")
    talk.settle()
    with talk.nord.ground.database.reading() as session:
        marks = exchange.marks(session, [said.id])[said.id]
    assert [mark.state for mark in marks] == ["refused"]
    assert "member" in marks[0].reason
    assert json.loads(talk.fact(talk.nord, "SELECT problem FROM post"))["status"] == 403


def test_lines_that_are_not_due_keep_no_others_from_their_turn(
    talk: Talk, broken: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "AT_ONCE", 2)
    broken.add("poison")
    for number in range(3):
        talk.from_guest(f"poison {number}")
    talk.settle()
    talk.aubier.clock.move(seconds=31)
    assert held.retry(talk.aubier.ground) == 0
    broken.clear()
    assert held.retry(talk.aubier.ground) == 1
    assert contents(talk.aubier.ground) == ["<p>poison 2</p>"]
