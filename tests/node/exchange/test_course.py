"""How delivery goes on after success, silence, refusal: pure, by the clock (RELIABILITY 2.1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from federation.delivery import Delivered, Refused, Retry, Stopped, Verdict
from node.exchange.course import Course, Standing

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
SILENCE = Retry("takes no connection")


def _after(
    course: Course, verdict: Verdict, seconds: float = 0, entries: int = 1, *, answered: bool = False
) -> Course:
    return course.after(verdict, entries=entries, answered=answered, now=NOW + timedelta(seconds=seconds))


def test_hello_is_said_at_the_start_and_then_every_ten_minutes() -> None:
    assert Course().batch(0, NOW) == 0
    said = _after(Course(), Delivered(0, {}), entries=0, answered=True)
    assert said.batch(0, NOW + timedelta(seconds=599)) is None
    assert said.batch(0, NOW + timedelta(seconds=600)) == 0


@pytest.mark.parametrize(("backlog", "lines"), [(1, 1), (50, 50), (51, 51), (200, 200), (5000, 200)])
def test_what_waits_is_sent_at_once_and_more_of_it_in_catch_up(backlog: int, lines: int) -> None:
    assert Course().batch(backlog, NOW) == lines


def test_attempts_follow_the_schedule_and_one_success_sets_it_back() -> None:
    course, moment, waits = Course(), 0.0, []
    for _ in range(6):
        course = _after(course, SILENCE, moment)
        assert course.next_attempt is not None
        waits.append((course.next_attempt - NOW).total_seconds() - moment)
        moment += waits[-1]
    for wait_s, planned_s in zip(waits, (0, 5, 30, 120, 600, 1800), strict=True):
        assert 0.8 * planned_s <= wait_s <= 1.2 * planned_s
    again = _after(course, Delivered(9, {}), moment, answered=True)
    assert (again.failures, again.since, again.reason) == (0, None, "")


def test_between_attempts_hello_is_said_every_two_seconds_in_the_first_minute() -> None:
    course = _after(_after(Course(), SILENCE), SILENCE)
    assert course.batch(1, NOW + timedelta(seconds=1)) is None
    assert course.batch(1, NOW + timedelta(seconds=2)) == 0


def test_a_hello_that_ends_the_silence_earns_one_attempt_at_once() -> None:
    course = _after(_after(_after(Course(), SILENCE), SILENCE), SILENCE)
    heard = _after(course, Delivered(0, {}), 4, entries=0, answered=True)
    assert heard.batch(1, NOW + timedelta(seconds=4)) == 1
    assert heard.failures == 3
    refused = _after(heard, Retry("500"), 4, answered=True)
    greeted = _after(refused, Delivered(0, {}), 6, entries=0, answered=True)
    assert greeted.batch(1, NOW + timedelta(seconds=6)) is None


def test_a_request_of_the_partner_earns_one_attempt_but_not_a_flood() -> None:
    course = _after(_after(_after(Course(), SILENCE), SILENCE), SILENCE)
    hinted = course.hinted(NOW + timedelta(seconds=3))
    assert hinted.batch(1, NOW + timedelta(seconds=3)) == 1
    failed = _after(hinted, SILENCE, 3)
    again = failed.hinted(NOW + timedelta(seconds=3.5))
    assert [again.batch(1, NOW + timedelta(seconds=at)) for at in (4.9, 5)] == [None, 1]
    assert again.hinted(NOW + timedelta(seconds=4)) == again
    assert Course().hinted(NOW) == Course()


def test_a_request_of_the_partner_just_after_an_attempt_earns_another_at_once() -> None:
    course = _after(_after(_after(Course(), SILENCE), SILENCE, 1), SILENCE, 8, entries=0)
    hinted = course.hinted(NOW + timedelta(seconds=8.1))
    assert hinted.batch(1, NOW + timedelta(seconds=8.1)) == 1


def test_who_refuses_us_is_tried_again_after_six_hours_or_after_its_own_request() -> None:
    course = _after(Course(), Refused("403 suspended"), answered=True)
    assert course.standing is Standing.REFUSED
    assert course.batch(1, NOW + timedelta(hours=5)) is None
    assert course.batch(1, NOW + timedelta(hours=6)) == 1
    assert course.hinted(NOW + timedelta(minutes=1)).batch(1, NOW + timedelta(minutes=1)) == 1


def test_what_only_an_admin_can_help_is_not_tried_again() -> None:
    course = _after(Course(), Stopped("409 the histories differ"), answered=True)
    assert course.batch(1, NOW + timedelta(days=2)) is None
    assert course.due(1) is None


def test_after_thirty_days_delivery_stops() -> None:
    course = _after(Course(), SILENCE)
    assert _after(course, SILENCE, 30 * 86400).standing is Standing.STOPPED


def test_what_is_too_large_is_sent_in_smaller_pieces() -> None:
    course = _after(Course(), Retry("413 At most 1000 bytes."), entries=50, answered=True)
    assert course.batch(50, NOW + timedelta(seconds=1)) == 25


def test_a_retry_after_is_honoured() -> None:
    course = _after(Course(), Retry("429", after_s=90), answered=True)
    assert course.batch(1, NOW + timedelta(seconds=89)) in {0, None}
    assert course.next_attempt == NOW + timedelta(seconds=90)


def test_a_week_of_silence_costs_few_attempts_and_few_hellos() -> None:
    course, moment = Course(), NOW
    attempts: list[datetime] = []
    hellos: list[datetime] = []
    while moment < NOW + timedelta(days=7):
        lines = course.batch(10_000, moment)
        if lines is None:
            due = course.due(10_000)
            assert due is not None
            moment = due
            continue
        (attempts if lines else hellos).append(moment)
        course = course.after(SILENCE, entries=lines, answered=False, now=moment)
    day = NOW + timedelta(days=1)
    assert len([each for each in attempts if each < day]) <= 20
    assert len([each for each in hellos if each < day]) <= 900
    assert len([each for each in attempts if each >= day]) <= 6 * 6
    assert len([each for each in hellos if each >= day]) <= 150 * 6
