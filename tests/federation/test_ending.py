"""How an agreement pauses and ends, between two nodes in memory (PROTOCOL 2.a.6, 2.a.7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import ending, offers, periods
from federation.activity import Document
from federation.authorship import write
from federation.digest import digest
from federation.errors import Forbidden, Malformed, OtherAgreement, OutOfScope, RemoteError
from federation.exchange import append
from federation.ports import State
from tests.federation.world import Clock, Node, peer

OTHER = "zQmPeKaWLs2Epq6iQVYzUes1tJJYBUmiWuuMAii5s6zQkDt"
ENDS = "2026-12-01T08:00:00Z"


@pytest.fixture
def two() -> tuple[Node, Node]:
    """North offered, South accepted."""
    clock = Clock()
    north, south = Node("north", clock), Node("south", clock)
    peer(north, south)
    return north, south


def suspend(node: Node, other: Node, why: str = "Incident IR-7", language: str = "en") -> int:
    with node.work() as work:
        said = ending.suspension(node.relation(other), why, language, work, node.settings)
    return node.inbox(said, other).status


def resume(node: Node, other: Node) -> int:
    with node.work() as work:
        said = ending.resumption(node.relation(other), work, node.settings)
    return node.inbox(said, other).status


def end(node: Node, other: Node, at: datetime, why: str = "", disposition: str = "purge-now") -> int:
    with node.work() as work:
        said = ending.termination(node.relation(other), at, disposition, why, "", work, node.settings)
    return node.inbox(said, other).status


def following(node: Node, other: Node, **changes: Any) -> Document:
    relation = node.relation(other)
    present = relation.agreement or {}
    return {
        **present,
        "version": present["version"] + 1,
        "previousVersion": relation.agreement_digest,
        **changes,
    }


def renew(node: Node, other: Node, agreement: Document | None = None) -> None:
    """The next version, by both, the answer of the offering side included."""
    assert node.offer(other, agreement or following(node, other)).status == 202
    with other.work() as work:
        accept = offers.acceptance(other.relation(node), work, other.settings, ["Board"])
        work.agreements.accepted(other.relation(node), accept)
    assert other.inbox(accept, node).status == 202
    with other.work() as work:
        offers.conclude(other.relation(node), accept, work)


# -- suspension


def test_both_stand_still_until_who_suspended_resumes(two: tuple[Node, Node]) -> None:
    north, south = two
    assert suspend(south, north) == 202
    assert north.relation(south).state is south.relation(north).state is State.SUSPENDED
    assert (north.relation(south).suspended_there, south.relation(north).suspended_here) == (True, True)
    with north.work() as work, pytest.raises(OutOfScope):
        ending.resumption(north.relation(south), work, north.settings)
    assert resume(south, north) == 202
    assert north.relation(south).state is south.relation(north).state is State.IN_FORCE


def test_one_side_suspends_once(two: tuple[Node, Node]) -> None:
    north, south = two
    suspend(south, north)
    with south.work() as work, pytest.raises(OutOfScope):
        ending.suspension(south.relation(north), "", "", work, south.settings)
    assert suspend(north, south) == 202
    assert resume(south, north) == 202
    assert north.relation(south).state is State.SUSPENDED


@pytest.mark.parametrize("state", [each for each in State if each not in {State.IN_FORCE, State.SUSPENDED}])
def test_nothing_is_suspended_or_ended_that_does_not_hold(two: tuple[Node, Node], state: State) -> None:
    north, south = two
    south.store.rows.relations[north.iri] = replace(south.relation(north), state=state)
    with south.work() as work:
        with pytest.raises(OutOfScope):
            ending.suspension(south.relation(north), "", "", work, south.settings)
        with pytest.raises(OutOfScope):
            ending.termination(
                south.relation(north), south.clock.now, "purge-now", "x", "", work, south.settings
            )


def test_under_the_version_before_it_is_said_as_well(two: tuple[Node, Node]) -> None:
    """The partner does not know yet that its Accept was taken in."""
    north, south = two
    late = south.relation(north)
    renew(north, south)
    with south.work() as work:
        said = ending.suspension(late, "", "", work, south.settings)
    assert south.inbox(said, north).status == 202
    with south.work() as work:
        notice = ending.termination(late, south.clock.now, "purge-now", "x", "", work, south.settings)
    assert south.inbox(notice, north).status == 202
    assert north.relation(south).state is State.TERMINATED


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"summary": "because"}, ("because", "")),
        ({"summary": "why", "summaryMap": {"fr": "parce que"}}, ("parce que", "fr")),
        ({"summaryMap": {"<b>": "parce que"}}, ("parce que", "")),
        ({"summary": "why", "summaryMap": {}}, ("why", "")),
        ({}, ("", "")),
    ],
)
def test_a_reason_has_a_language_when_it_names_one(said: Document, found: tuple[str, str]) -> None:
    assert ending.reason_of(said) == found


@pytest.mark.parametrize("said", [{"summary": 7}, {"summary": "x" * 501}, {"summaryMap": {"fr": None}}])
def test_refuses_a_reason_that_is_none(said: Document) -> None:
    with pytest.raises(Malformed):
        ending.reason_of(said)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"objectDigest": OTHER}, OtherAgreement),
        ({"resumeBy": "https://north.example/actor"}, OutOfScope),
        ({"resumeBy": None}, OutOfScope),
        ({"state": "in-force"}, OutOfScope),
        ({"state": "over"}, Malformed),
        ({"state": None}, Malformed),
    ],
)
def test_refuses_a_suspension_that_does_not_hold(
    two: tuple[Node, Node], changes: Document, problem: type[RemoteError]
) -> None:
    north, south = two
    stated: Document = {
        "id": (north.relation(south).agreement or {})["id"],
        "type": ["Relationship", "PeeringAgreement"],
        "state": "suspended",
        "resumeBy": south.iri,
        "objectDigest": north.relation(south).agreement_digest,
        **changes,
    }
    with south.work() as work:
        said = write({"type": "Update", "object": stated}, south.iri, work, south.settings)
    with north.work() as work, pytest.raises(problem):
        ending.take_standing(said, north.relation(south), work)
    assert north.relation(south).state is State.IN_FORCE


# -- end


def test_each_side_ends_by_its_own_word(two: tuple[Node, Node]) -> None:
    for node, other in (two, two[::-1]):
        at = node.clock.now + timedelta(days=40 if node is two[0] else 35)
        assert end(node, other, at) == 202
        assert node.relation(other).ends == other.relation(node).ends == f"{at:%Y-%m-%dT%H:%M:%SZ}"
    with two[0].work() as work, pytest.raises(OutOfScope):  # it ends sooner already
        ending.termination(
            two[0].relation(two[1]),
            two[0].clock.now + timedelta(days=50),
            "purge-now",
            "",
            "",
            work,
            two[0].settings,
        )


def test_after_the_day_nothing_passes(two: tuple[Node, Node]) -> None:
    north, south = two
    end(north, south, north.clock.now + timedelta(days=31))
    assert north.federation.receive_batch(south.parcel(north, lines=0).request).status == 200
    north.clock.advance(31 * 86400)
    assert north.federation.receive_batch(south.parcel(north, lines=0).request).status == 403


def test_a_reason_takes_the_place_of_the_notice(two: tuple[Node, Node]) -> None:
    north, south = two
    with north.work() as work, pytest.raises(Forbidden):
        ending.termination(north.relation(south), north.clock.now, "purge-now", "", "", work, north.settings)
    assert end(north, south, north.clock.now, "Project closed") == 202
    assert north.relation(south).state is south.relation(north).state is State.TERMINATED


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"objectDigest": OTHER}, OtherAgreement),
        ({"objectDigest": None}, OtherAgreement),
        ({"object": {"id": "https://south.example/a/x", "type": "Offer"}}, OutOfScope),
        ({"disposition": "keep"}, Malformed),
        ({"startTime": "soon"}, Malformed),
        ({"startTime": None}, Malformed),
        ({"summary": 1}, Malformed),
    ],
)
def test_refuses_an_end_that_does_not_hold(
    two: tuple[Node, Node], changes: Document, problem: type[RemoteError]
) -> None:
    north, south = two
    relation = north.relation(south)
    document: Document = {
        "type": "Undo",
        "object": {"id": relation.accept, "type": "Accept", "object": {"type": "Offer"}},
        "objectDigest": relation.agreement_digest,
        "startTime": "2027-06-01T00:00:00Z",
        "disposition": "purge-now",
        **changes,
    }
    with south.work() as work:
        said = write(document, south.iri, work, south.settings)
    with north.work() as work, pytest.raises(problem):
        ending.take_termination(said, north.relation(south), work)
    assert north.relation(south).ends == ""


def test_no_version_follows_a_notice(two: tuple[Node, Node]) -> None:
    north, south = two
    end(north, south, north.clock.now + timedelta(days=40))
    with north.work() as work, pytest.raises(Forbidden):
        offers.offer(north.relation(south), following(north, south), ENDS, work, north.settings)


# -- versions


def test_a_next_version_goes_on_with_streams_and_genesis(two: tuple[Node, Node]) -> None:
    north, south = two
    first = north.relation(south)
    renew(north, south)
    for node, other in (two, two[::-1]):
        seen = node.relation(other)
        assert (seen.agreement or {})["version"] == 2
        assert (seen.genesis, seen.stream_in, seen.stream_out) == (
            first.agreement_digest,
            node.relation(other).stream_in,
            node.relation(other).stream_out,
        )
        node.deliver(other)
        with node.work() as work:
            assert work.agreements.version(seen, first.agreement_digest) == first.agreement


def test_while_our_accept_is_on_its_way_nothing_else_is_said(two: tuple[Node, Node]) -> None:
    north, south = two
    north.offer(south, following(north, south))
    with south.work() as work:
        accept = offers.acceptance(south.relation(north), work, south.settings)
        work.agreements.accepted(south.relation(north), accept)
    with south.work() as work, pytest.raises(Forbidden):
        offers.offer(south.relation(north), following(south, north), ENDS, work, south.settings)
    with north.work() as work:
        withdrawn = offers.withdrawal(north.relation(south), work, north.settings)
    assert north.inbox(withdrawn, south).status == 403
    assert south.inbox(accept, north).status == 202


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 3},
        {"version": 1},
        {"previousVersion": OTHER},
        {"previousVersion": None},
        {"lineage": "https://north.example/l"},
    ],
)
def test_refuses_a_version_that_does_not_follow(two: tuple[Node, Node], changes: Document) -> None:
    north, south = two
    with north.work() as work, pytest.raises(OutOfScope):
        offers.offer(north.relation(south), following(north, south, **changes), ENDS, work, north.settings)
    agreement = following(north, south, **changes)
    document = {"type": "Offer", "object": agreement, "objectDigest": digest(agreement), "endTime": ENDS}
    with north.work() as work:
        said = write(document, north.iri, work, north.settings)
    assert north.inbox(said, south).status == 403
    assert south.relation(north).proposal is None


def test_a_version_may_begin_both_streams_anew_and_what_waited_goes_on(two: tuple[Node, Node]) -> None:
    north, south = two
    with south.work() as work:
        said = write(
            {"type": "Create", "object": {"id": f"{south.iri}/r", "type": "DeliveryReceipt"}},
            south.iri,
            work,
            south.settings,
        )
        work.journal.keep(said)
        append(south.relation(north), said, work)
    sides = [{**side, "stream": f"{side['stream']}/2"} for side in following(north, south)["parties"]]
    renew(north, south, following(north, south, parties=sides))
    for node, other in (two, two[::-1]):
        seen = node.relation(other)
        assert seen.genesis == seen.agreement_digest
        assert (seen.stream_in[-2:], seen.stream_out[-2:]) == ("/2", "/2")
    with south.work() as work:
        (entry, line), *_ = work.log.read(south.relation(north), 1, 9, 9999)
        assert (entry.prev, entry.activity, line) == (south.relation(north).genesis, said.id, said.raw)
    for node, other in (two, two[::-1]):
        node.deliver(other)


def test_refuses_a_version_with_one_other_stream(two: tuple[Node, Node]) -> None:
    north, south = two
    first, second = following(north, south)["parties"]
    sides = [{**first, "stream": f"{first['stream']}x"}, second]
    with north.work() as work, pytest.raises(OutOfScope):
        offers.offer(
            north.relation(south), following(north, south, parties=sides), ENDS, work, north.settings
        )


def test_nothing_is_answered_or_taken_back_that_was_not_offered(two: tuple[Node, Node]) -> None:
    north, south = two
    for act in (offers.withdrawal, offers.rejection, offers.acceptance):
        with south.work() as work, pytest.raises(OutOfScope):
            act(south.relation(north), work, south.settings)


# -- periods


@pytest.mark.parametrize(
    ("period", "day"),
    [
        ("P30D", "2026-12-31T08:00:00Z"),
        ("P1M", "2027-01-01T08:00:00Z"),
        ("P2Y", "2028-12-01T08:00:00Z"),
        ("P1Y2M1W1DT1H1M1S", "2028-02-09T09:01:01Z"),
        ("P9999Y", "9999-12-31T00:00:00Z"),
        ("P3650000D", "9999-12-31T00:00:00Z"),
    ],
)
def test_a_period_goes_by_the_calendar(period: str, day: str) -> None:
    begin = datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert f"{periods.after(begin, period):%Y-%m-%dT%H:%M:%SZ}" == day


def test_a_shorter_month_has_its_last_day() -> None:
    assert periods.after(datetime(2026, 1, 31, tzinfo=UTC), "P1M").day == 28


@pytest.mark.parametrize("period", ["", "P", "PT", "30D", "P-1D", "P1.5D", "P" + "1" * 60 + "D"])
def test_refuses_a_period_that_is_none(period: str) -> None:
    with pytest.raises(Malformed):
        periods.after(datetime(2026, 1, 1, tzinfo=UTC), period)


@given(days=st.integers(0, 5000), months=st.integers(0, 600))
def test_a_period_never_goes_back(days: int, months: int) -> None:
    begin = datetime(2026, 1, 31, tzinfo=UTC)
    assert periods.after(begin, f"P{months}M{days}D") >= begin
