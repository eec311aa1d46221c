"""What the answer of a partner means for our log, and when we try again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from federation import delivery, documents, receipts, resolver, signatures
from federation.activity import Document
from federation.adapters import memory
from federation.authorship import write
from federation.errors import LocalError, Malformed, OutOfScope
from federation.http import Headers, Response
from federation.keys import SigningKey
from federation.ports import Entry, Outcome, State
from federation.proofs import sign
from tests.federation.world import (
    START,
    Node,
    Pair,
    Worlds,
    effects,
    enter,
    open_space,
    peer,
    post_batch,
    problem_of,
)

SECOND = timedelta(seconds=1)


# -- the schedule


@pytest.mark.parametrize(
    ("failures", "wait_s"),
    [
        (1, 0),
        (2, 5),
        (3, 30),
        (4, 120),
        (5, 600),
        (6, 1800),
        (7, 3600),
        (8, 7200),
        (9, 14400),
        (10, 21600),
        (99, 21600),
    ],
)
def test_waits_longer_after_each_failure_within_a_fifth(failures: int, wait_s: int) -> None:
    for _ in range(20):
        next_attempt = delivery.next_attempt(failures, START, START)
        assert next_attempt is not None
        waited = (next_attempt - START).total_seconds()
        assert 0.8 * wait_s <= waited <= 1.2 * wait_s


def test_gives_up_after_thirty_days() -> None:
    assert delivery.next_attempt(50, START, START + timedelta(days=30)) is None
    assert delivery.next_attempt(50, START, START + timedelta(days=30) - SECOND) is not None


@pytest.mark.parametrize(
    ("away_s", "every_s"), [(0, 2), (59, 2), (60, 20), (1799, 20), (1800, 120), (86399, 120), (86400, 600)]
)
def test_asks_less_often_the_longer_a_partner_is_away(away_s: int, every_s: int) -> None:
    now = START + away_s * SECOND
    assert delivery.next_hello(START, now) - now == every_s * SECOND


def test_says_hello_every_ten_minutes_while_all_is_well() -> None:
    assert delivery.next_hello(None, START) - START == 600 * SECOND


# -- refusals of a whole request


def _refused(status: int, problem: str | None = None, **headers: str) -> Response:
    body = (
        documents.dumps({"type": f"https://w3id.org/parvis/v1#{problem}", "title": "No"})
        if problem
        else b"<p>"
    )
    return Response(
        status, Headers([(name.replace("_", "-"), value) for name, value in headers.items()]), body
    )


def _settle(pair: Pair, response: Response) -> delivery.Verdict:
    pair.south.post(pair.sven, pair.space, "x")
    parcel = pair.south.parcel(pair.north)
    with pair.south.work() as work:
        return delivery.settle(parcel, response, work, pair.south.settings)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (_refused(409, "digest-mismatch"), delivery.Stopped),
        (_refused(409, "sequence-gap"), delivery.Retry),
        (_refused(409, "replay"), delivery.Retry),
        (_refused(409), delivery.Retry),
        (_refused(410), delivery.Stopped),
        (_refused(401), delivery.Refused),
        (_refused(403, "no-agreement"), delivery.Refused),
        (_refused(500), delivery.Retry),
        (_refused(404), delivery.Retry),
        (_refused(413, "too-large"), delivery.Retry),
        (_refused(200), delivery.Retry),
    ],
)
def test_says_what_a_refusal_means_and_acknowledges_nothing(
    pair: Pair, response: Response, kind: type[delivery.Verdict]
) -> None:
    before = pair.south.store.rows.acknowledged.copy()
    assert isinstance(_settle(pair, response), kind)
    assert pair.south.store.rows.acknowledged == before


@pytest.mark.parametrize(("value", "after_s"), [("30", 30), ("999999", 86400), ("soon", None), ("-1", None)])
def test_waits_as_long_as_the_partner_says_up_to_a_day(pair: Pair, value: str, after_s: int | None) -> None:
    verdict = _settle(pair, _refused(429, "rate", Retry_After=value))
    assert isinstance(verdict, delivery.Retry)
    assert verdict.after_s == after_s
    assert verdict.reason == "429 No"


def test_keeps_no_long_reason(pair: Pair) -> None:
    body = documents.dumps({"detail": "x" * 10_000})
    verdict = _settle(pair, Response(500, Headers(()), body))
    assert isinstance(verdict, delivery.Retry)
    assert len(verdict.reason) == delivery.MAX_REASON_CHARS


# -- receipts


def _answer(
    pair: Pair, change: Callable[[Document], Document], key: SigningKey | None = None, lines: int = 50
) -> tuple[delivery.Parcel, Response]:
    """North takes what south sends, and its receipt is changed, proved and signed again."""
    parcel = pair.south.parcel(pair.north, lines)
    response = pair.north.federation.receive_batch(parcel.request)
    receipt = change(documents.loads(response.body))
    body = documents.dumps(sign(receipt, key or pair.north.key, pair.clock.moment))
    unsigned = Response(200, Headers((("Content-Type", "application/activity+json"),)), body)
    created = int(pair.clock.now.timestamp())
    return parcel, signatures.sign_response(unsigned, parcel.request, pair.north.key, created)


RECEIPTS: dict[str, Callable[[Document], Document]] = {
    "of another kind": lambda receipt: receipt | {"type": "Note"},
    "by another node": lambda receipt: receipt | {"attributedTo": "https://east.example/actor"},
    "for another stream": lambda receipt: receipt | {"stream": "https://east.example/streams/x"},
    "for another body": lambda receipt: receipt | {"contentDigest": "sha-256=:AA==:"},
    "for another agreement": lambda receipt: receipt | {"agreement": "https://east.example/1"},
    "for another entry": lambda receipt: receipt | {"entryHash": "zQm1"},
    "for more than was sent": lambda receipt: receipt | {"to": receipt["to"] + 1},
    "for less than was sent": lambda receipt: receipt | {"from": receipt["from"] - 1},
    "that runs backwards": lambda receipt: receipt | {"from": receipt["to"] + 1},
    "from minus one": lambda receipt: receipt | {"from": -1},
    "from true": lambda receipt: receipt | {"from": True},
    "to a text": lambda receipt: receipt | {"to": str(receipt["to"])},
    "without a range": lambda receipt: {k: v for k, v in receipt.items() if k != "to"},
    "that processed nothing": lambda receipt: receipt | {"outcome": "rejected"},
    "whose exceptions are no list": lambda receipt: receipt | {"exceptions": {}},
    "with an exception that is none": lambda receipt: receipt | {"exceptions": [1]},
    "with an exception outside": lambda receipt: (
        receipt | {"exceptions": [{"seq": receipt["to"] + 1, "outcome": "rejected"}]}
    ),
    "with two exceptions for one": lambda receipt: (
        receipt | {"exceptions": [{"seq": receipt["to"], "outcome": "rejected"}] * 2}
    ),
    "with an unknown outcome": lambda receipt: (
        receipt | {"exceptions": [{"seq": receipt["to"], "outcome": "lost"}]}
    ),
    "with an outcome that is a list": lambda receipt: (
        receipt | {"exceptions": [{"seq": receipt["to"], "outcome": []}]}
    ),
    "with an exception of true": lambda receipt: (
        receipt | {"exceptions": [{"seq": True, "outcome": "rejected"}]}
    ),
    "with a problem that is a text": lambda receipt: (
        receipt | {"exceptions": [{"seq": receipt["to"], "outcome": "rejected", "problem": "no"}]}
    ),
}


@pytest.mark.parametrize("case", RECEIPTS, ids=str)
def test_takes_no_receipt(pair: Pair, case: str) -> None:
    pair.south.post(pair.sven, pair.space, "x")
    parcel, response = _answer(pair, RECEIPTS[case])
    before = effects(pair.south), pair.south.store.rows.acknowledged, pair.south.store.rows.received
    with pair.south.work() as work:
        verdict = delivery.settle(parcel, response, work, pair.south.settings)
    assert isinstance(verdict, delivery.Retry)
    rows = pair.south.store.rows
    assert (effects(pair.south), rows.acknowledged, rows.received) == before


def test_takes_no_receipt_under_another_key(pair: Pair) -> None:
    pair.south.post(pair.sven, pair.space, "x")
    parcel, response = _answer(pair, dict, SigningKey.generate(f"{pair.north.iri}#other"))
    with pair.south.work() as work:
        assert isinstance(delivery.settle(parcel, response, work, pair.south.settings), delivery.Retry)


def test_takes_no_answer_to_another_request(pair: Pair) -> None:
    pair.south.post(pair.sven, pair.space, "x")
    _, response = _answer(pair, dict)
    other = pair.south.parcel(pair.north)
    with pair.south.work() as work:
        assert isinstance(delivery.settle(other, response, work, pair.south.settings), delivery.Retry)


def test_takes_an_honest_receipt(pair: Pair) -> None:
    pair.south.post(pair.sven, pair.space, "x")
    parcel, response = _answer(pair, dict)
    with pair.south.work() as work:
        verdict = delivery.settle(parcel, response, work, pair.south.settings)
    assert verdict == delivery.Delivered(parcel.entries[-1].seq, {})
    assert pair.south.store.rows.acknowledged[pair.north.iri] == parcel.entries[-1].seq


# -- hello


def test_a_hello_says_how_far_the_partner_is_and_acknowledges_nothing(pair: Pair) -> None:
    pair.south.post(pair.sven, pair.space, "x")
    lost = pair.south.parcel(pair.north)
    assert pair.north.federation.receive_batch(lost.request).status == 200
    before = pair.south.store.rows.acknowledged[pair.north.iri]
    with pair.south.work() as work:
        hello = delivery.hello(pair.south.relation(pair.north), work, pair.south.settings)
        verdict = delivery.settle(
            hello, pair.north.federation.receive_batch(hello.request), work, pair.south.settings
        )
    assert verdict == delivery.Delivered(lost.entries[-1].seq, {})
    assert pair.south.store.rows.acknowledged[pair.north.iri] == before
    assert isinstance(pair.south.deliver(pair.north), delivery.Delivered)
    assert pair.north.texts(pair.space) == ["x"]


def test_a_hello_answered_for_a_range_is_no_answer(pair: Pair) -> None:
    parcel, response = _answer(pair, lambda receipt: receipt | {"from": 1}, lines=0)
    with pair.south.work() as work:
        assert isinstance(delivery.settle(parcel, response, work, pair.south.settings), delivery.Retry)


def test_a_partner_that_lost_what_it_had_receipted_is_waited_for(pair: Pair) -> None:
    pair.south.post(pair.sven, pair.space, "x")
    pair.south.deliver(pair.north)
    kept = pair.north.store.rows.taken[pair.south.iri]
    pair.north.store.rows.taken[pair.south.iri] = kept[:-1]
    assert isinstance(pair.south.deliver(pair.north), delivery.Retry)


def test_a_hello_whose_answer_is_behind_is_said_again(pair: Pair) -> None:
    parcel = pair.south.parcel(pair.north, lines=0)
    taken = pair.south.store.rows.out[pair.north.iri][0]
    parcel, response = _answer(
        pair, lambda receipt: receipt | {"from": 1, "to": 1, "entryHash": taken.entry_hash}, lines=0
    )
    with pair.south.work() as work:
        assert isinstance(delivery.settle(parcel, response, work, pair.south.settings), delivery.Retry)


def test_a_partner_that_knows_more_of_our_log_than_we_tells_us(pair: Pair) -> None:
    """We were restored from an old backup: nothing may be said before the rest was read back (PROTOCOL 2.a)."""
    old = pair.south.store.rows.copy()
    pair.south.post(pair.sven, pair.space, "forgotten")
    pair.south.deliver(pair.north)
    pair.south.store.rows = old
    assert isinstance(pair.south.deliver(pair.north, lines=0), delivery.Behind)
    pair.south.post(pair.sven, pair.space, "another history")
    assert isinstance(pair.south.deliver(pair.north), delivery.Stopped)
    assert pair.north.texts(pair.space) == ["forgotten"]


def test_a_hello_before_anything_was_said_is_answered_with_nothing(worlds: Worlds) -> None:
    clock = worlds.clock
    one, other = Node("one", clock), Node("other", clock)
    peer(one, other)
    verdict = one.deliver(other, lines=0)
    assert verdict == delivery.Delivered(0, {})


def test_the_same_range_is_receipted_with_the_same_receipt(pair: Pair) -> None:
    pair.south.post(pair.sven, pair.space, "x")
    first = pair.north.federation.receive_batch(pair.south.parcel(pair.north).request)
    again = pair.north.federation.receive_batch(pair.south.parcel(pair.north).request)
    assert first.body == again.body


def test_a_range_that_was_taken_in_part_is_receipted_whole(pair: Pair) -> None:
    for text in ("one", "two"):
        pair.south.post(pair.sven, pair.space, text)
    assert pair.north.federation.receive_batch(pair.south.parcel(pair.north, lines=1).request).status == 200
    parcel = pair.south.parcel(pair.north)
    receipt = documents.loads(pair.north.federation.receive_batch(parcel.request).body)
    assert (receipt["from"], receipt["to"]) == (parcel.entries[0].seq, parcel.entries[-1].seq)
    assert receipt["exceptions"] == []
    assert pair.north.texts(pair.space) == ["one", "two"]


# -- what the partner did not take


def test_a_refused_post_is_shown_to_its_author_with_the_reason(pair: Pair) -> None:
    pair.north.store.rows.spaces[pair.space].members.pop(pair.sven)
    posted = pair.south.post(pair.sven, pair.space, "x")
    verdict = pair.south.deliver(pair.north)
    assert isinstance(verdict, delivery.Delivered)
    refused = pair.south.store.rows.objects[posted].refused
    assert refused is not None
    assert str(refused["type"]).endswith("#not-member")


def _forget(node: Node, actor: str) -> None:
    rows = node.store.rows
    del rows.documents[actor]
    rows.keys = {name: key for name, key in rows.keys.items() if key.controller != actor}


def test_who_was_forgotten_is_introduced_again_and_the_words_with_it(pair: Pair) -> None:
    _forget(pair.north, pair.sven)
    pair.south.post(pair.sven, pair.space, "one")
    pair.south.post(pair.sven, pair.space, "two")
    pair.south.deliver(pair.north)
    assert pair.north.texts(pair.space) == ["one", "two"]
    introductions = [each for each in pair.south.store.rows.out[pair.north.iri] if each.type == "Update"]
    assert len(introductions) == 2


def test_an_author_behind_the_host_is_introduced_again_too(worlds: Worlds) -> None:
    _forget(worlds.south, worlds.elsa)
    worlds.east.post(worlds.elsa, worlds.space, "one")
    worlds.settle()
    worlds.settle()
    assert worlds.south.texts(worlds.space) == ["one"]
    assert not worlds.south.store.rows.spaces[worlds.space].missing


def test_who_was_added_is_introduced_again_too(worlds: Worlds) -> None:
    arne = worlds.north.person("Arne")
    worlds.north.say(
        worlds.anna, {"type": "Add", "object": arne, "target": f"{worlds.space}/members"}, worlds.space
    )
    log = worlds.north.store.rows.out[worlds.south.iri]
    assert [each.type for each in log[-2:]] == ["Update", "Announce"]
    worlds.north.deliver(worlds.south)
    _forget(worlds.south, arne)
    removed = {"type": "Remove", "object": arne, "target": f"{worlds.space}/members"}
    worlds.north.say(worlds.anna, removed, worlds.space)
    worlds.north.say(
        worlds.anna, {"type": "Add", "object": arne, "target": f"{worlds.space}/members"}, worlds.space
    )
    worlds.settle()
    assert arne in worlds.south.store.rows.spaces[worlds.space].members


def test_a_partner_that_never_learns_is_told_twice_and_no_more(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    from federation.adapters import memory

    _forget(pair.north, pair.sven)
    monkeypatch.setattr(memory.Actors, "learn", lambda *_: None)
    posted = pair.south.post(pair.sven, pair.space, "x")
    for _ in range(5):
        pair.south.deliver(pair.north)
    said = [each.activity for each in pair.south.store.rows.out[pair.north.iri]]
    (create,) = [each.id for each in pair.south.store.rows.activities.values() if each.object_id == posted]
    assert said.count(create) == 2
    refused = pair.south.store.rows.objects[posted].refused
    assert refused is not None
    assert str(refused["type"]).endswith("#unknown-actor")


def test_an_accept_that_came_too_late_is_not_in_force(worlds: Worlds) -> None:
    clock = worlds.clock
    one, other = Node("one", clock), Node("other", clock)
    _, link = one.invite()
    other.accept_invite(link, one)
    other.confirm(one)
    one.confirm(other)
    one.offer(other)
    proposal = one.relation(other).proposal
    assert proposal is not None
    ended = replace(proposal, ends="2026-11-24T07:00:00Z")
    one.store.rows.relations[other.iri] = replace(one.relation(other), proposal=ended)
    other.agree(one)
    assert other.relation(one).state is State.VERIFIED


# -- late receipts


def _late(pair: Pair, entry: Entry, became: Outcome, **changes: Any) -> Document:
    """North says later what became of an entry; what south's receipt says of that."""
    relation = pair.north.relation(pair.south)
    receipt = receipts.of_entry(pair.north.settings, relation, entry, became, pair.clock.now) | changes
    with pair.north.work() as work:
        said = write({"type": "Create", "object": receipt}, pair.north.iri, work, pair.north.settings)
    response, answer = post_batch(pair.north, pair.south, [said.raw])
    assert response.status == 200
    exceptions: list[Document] = answer["exceptions"]
    return exceptions[0] if exceptions else {"outcome": "processed"}


def _sent(pair: Pair) -> tuple[str, Entry]:
    posted = pair.south.post(pair.sven, pair.space, "x")
    pair.south.deliver(pair.north)
    return posted, pair.south.store.rows.out[pair.north.iri][-1]


def _held_there(pair: Pair) -> tuple[str, Entry]:
    """North has only receipted that it keeps what south posted."""
    posted = pair.south.post(pair.sven, pair.space, "x")
    parcel = pair.south.parcel(pair.north)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory.Objects, "create", _fails)
        response = pair.north.federation.receive_batch(parcel.request)
    with pair.south.work() as work:
        verdict = delivery.settle(parcel, response, work, pair.south.settings)
    assert isinstance(verdict, delivery.Delivered)
    assert [each.outcome for each in verdict.exceptions.values()] == ["received"]
    assert pair.south.store.rows.objects[posted].refused is None
    assert pair.south.store.rows.acknowledged[pair.north.iri] == verdict.last
    return posted, parcel.entries[-1]


def _fails(self: memory.Objects, effect: object) -> None:
    raise ZeroDivisionError


def test_a_late_refusal_is_shown_to_the_author(pair: Pair) -> None:
    posted, entry = _held_there(pair)
    problem = {"type": "about:blank", "title": "Five times in vain"}
    assert _late(pair, entry, Outcome("rejected", problem)) == {"outcome": "processed"}
    assert pair.south.store.rows.objects[posted].refused == problem
    assert pair.south.store.rows.notes[-1][0] == "receipt.late-refusal"


def test_a_late_success_changes_nothing(pair: Pair) -> None:
    posted, entry = _held_there(pair)
    assert _late(pair, entry, Outcome("processed")) == {"outcome": "processed"}
    assert pair.south.store.rows.objects[posted].refused is None
    assert pair.south.store.rows.notes[-1][0] == "receipt.late"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seq": 1}, "digest-mismatch"),
        ({"seq": 999}, "digest-mismatch"),
        ({"seq": True}, "malformed"),
        ({"object": "https://south.example/a/other"}, "digest-mismatch"),
        ({"object": None}, "malformed"),
        ({"entryHash": 1}, "malformed"),
        ({"entryHash": "zQm1"}, "digest-mismatch"),
        ({"stream": "https://south.example/streams/other"}, "malformed"),
        ({"attributedTo": "https://east.example/actor"}, "malformed"),
        ({"outcome": "lost"}, "malformed"),
    ],
)
def test_refuses_a_late_receipt_for_something_else(pair: Pair, changes: dict[str, Any], problem: str) -> None:
    posted, entry = _sent(pair)
    assert problem_of(_late(pair, entry, Outcome("rejected"), **changes)) == problem
    assert pair.south.store.rows.objects[posted].refused is None


@pytest.mark.parametrize("became", [Outcome("rejected", {"title": "After all"}), Outcome("processed")])
def test_nobody_takes_back_that_an_entry_was_processed(pair: Pair, became: Outcome) -> None:
    posted, entry = _sent(pair)
    assert problem_of(_late(pair, entry, became)) == "out-of-scope"
    assert pair.south.store.rows.objects[posted].refused is None
    assert (pair.south.store.rows.refusals, pair.south.store.rows.late) == ({}, {})


def test_the_last_word_on_an_entry_is_said_once(pair: Pair) -> None:
    posted, entry = _held_there(pair)
    assert problem_of(_late(pair, entry, Outcome("received"))) == "malformed"
    assert _late(pair, entry, Outcome("processed")) == {"outcome": "processed"}
    assert problem_of(_late(pair, entry, Outcome("rejected"))) == "out-of-scope"
    assert pair.south.store.rows.objects[posted].refused is None


def test_the_last_word_may_come_before_the_first_which_was_lost(pair: Pair) -> None:
    pair.south.post(pair.sven, pair.space, "x")
    parcel = pair.south.parcel(pair.north)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory.Objects, "create", _fails)
        pair.north.federation.receive_batch(parcel.request)
    assert _late(pair, parcel.entries[-1], Outcome("processed")) == {"outcome": "processed"}
    concluded = dict(pair.south.store.rows.late)
    assert all(concluded.values())
    pair.south.deliver(pair.north)
    assert pair.south.store.rows.late == concluded


def test_a_receipt_that_comes_again_reopens_no_entry(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.south.post(pair.sven, pair.space, "x")
    parcel = pair.south.parcel(pair.north)
    response = pair.north.federation.receive_batch(parcel.request)
    for outcome in ("processed", "received"):
        became = {parcel.entries[-1].seq: Outcome(outcome)}
        monkeypatch.setattr(receipts, "exceptions_of", lambda _, became=became: became)
        with pair.south.work() as work:
            assert isinstance(
                delivery.settle(parcel, response, work, pair.south.settings), delivery.Delivered
            )
    assert pair.south.store.rows.late == {}


def test_a_receipt_is_read_alone(pair: Pair) -> None:
    _, entry = _sent(pair)
    relation = pair.north.relation(pair.south)
    receipt = receipts.of_entry(pair.north.settings, relation, entry, Outcome("processed"), pair.clock.now)
    late = receipts.read_late(receipt, pair.south.relation(pair.north))
    assert (late.seq, late.activity, late.outcome) == (entry.seq, entry.activity, Outcome("processed"))
    with pytest.raises(Malformed):
        receipts.read_late({}, pair.south.relation(pair.north))


# -- who is introduced by whom


def test_nobody_is_introduced_to_its_own_node(worlds: Worlds) -> None:
    with worlds.north.work() as work:
        assert resolver.missing(worlds.north.relation(worlds.east), [worlds.elsa], work) == []


def test_what_we_do_not_know_cannot_be_introduced(pair: Pair) -> None:
    with pair.north.work() as work, pytest.raises(LocalError):
        resolver.missing(pair.north.relation(pair.south), ["https://north.example/people/none"], work)


def test_people_of_others_are_introduced_by_a_space_alone(worlds: Worlds) -> None:
    document = worlds.north.store.rows.documents[worlds.elsa]
    with pytest.raises(LocalError):
        resolver.introduction(document, worlds.north.relation(worlds.south), None, worlds.north.settings)


def test_a_new_organisation_learns_who_is_on_the_roster(worlds: Worlds) -> None:
    """After the roster, because it names the keys that prove them (PROTOCOL 2.j, step 4)."""
    north, east = worlds.north, worlds.east
    space = north.space("New", worlds.anna)
    open_space(north, space, worlds.south)
    enter(worlds.sven, worlds.south, space, north)
    _forget(east, worlds.sven)
    north.store.rows.introduced.pop((east.iri, worlds.sven))
    open_space(north, space, east)
    assert worlds.sven in east.store.rows.documents


def test_what_the_partner_keeps_to_try_again_is_no_refusal(pair: Pair) -> None:
    _, entry = _held_there(pair)
    assert pair.south.store.rows.late == {(pair.north.iri, entry.seq): ""}
    assert pair.south.store.rows.refusals == {}


def test_a_batch_stays_within_the_bytes_that_the_charter_allows(pair: Pair) -> None:
    for _ in range(3):
        pair.south.post(pair.sven, pair.space, "x" * 2000)
    with pair.south.work() as work:
        first = work.log.acknowledged(pair.south.relation(pair.north)) + 1
        assert len(work.log.read(pair.south.relation(pair.north), first, 9, 8000)) == 2
        assert len(work.log.read(pair.south.relation(pair.north), first, 9, 1)) == 1


def test_an_actor_is_introduced_by_the_node_of_its_own_origin(worlds: Worlds) -> None:
    document = worlds.east.store.rows.documents[worlds.elsa]
    with pytest.raises(OutOfScope):
        resolver.check(document, worlds.north.key.public)
    resolver.check(document, worlds.east.key.public)
