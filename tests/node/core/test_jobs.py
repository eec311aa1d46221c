"""The queue: what is enqueued runs, and what fails is tried again."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator

import pytest

from node.config import Settings
from node.core import jobs as jobs_module
from node.core.jobs import Job, Jobs, every, job

SEEN: list[tuple[object, ...]] = []


@job("tests.note")
def note(ground: object, *arguments: object) -> None:
    SEEN.append((ground, *arguments))


@job("tests.fail", tries=3, retry_delay_s=0)
def fail(ground: object) -> None:
    SEEN.append((ground,))
    raise ValueError("not yet")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def jobs(request: pytest.FixtureRequest, make_settings: Callable[..., Settings]) -> Iterator[Jobs]:
    SEEN.clear()
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    jobs = Jobs(make_settings(jobs_url=url))
    jobs.register([note, fail], "ground")
    yield jobs
    jobs.close()


def test_a_job_runs_with_the_ground_and_its_arguments(jobs: Jobs) -> None:
    jobs.enqueue(note, "abcd", 7, None)
    assert jobs.run_pending() == 1
    assert SEEN == [("ground", "abcd", 7, None)]


def test_a_job_that_fails_is_tried_again_and_then_given_up(jobs: Jobs) -> None:
    jobs.enqueue(fail)
    assert jobs.run_pending() == 3
    assert jobs.run_pending() == 0
    assert SEEN == [("ground",)] * 3


def test_a_delayed_job_waits(jobs: Jobs) -> None:
    jobs.enqueue(note, delay_s=3600)
    assert jobs.run_pending() <= 1  # it goes to the schedule
    assert not SEEN


def test_the_threads_work_the_queue_off(jobs: Jobs) -> None:
    done = threading.Event()
    jobs.register([Job("tests.done", lambda _: done.set())], "ground")
    jobs.start()
    jobs.enqueue(Job("tests.done", note.run))
    assert done.wait(10)
    jobs.stop()


def test_the_queue_holds_json(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    jobs = Jobs(settings)
    jobs.register([note], None)
    jobs.enqueue(note, "abcd")
    with sqlite3.connect(settings.data_dir / "jobs.db") as connection:
        (data,) = connection.execute("SELECT data FROM task").fetchone()
    connection.close()
    assert json.loads(data)["args"] == ["abcd"]
    jobs.close()


def test_refuses_two_jobs_of_one_name(jobs: Jobs) -> None:
    with pytest.raises(ValueError, match=r"tests\.note"):
        jobs.register([note], "ground")


def test_a_job_of_every_quarter_is_due_on_the_quarter(jobs: Jobs) -> None:
    quarterly = every(15, "tests.quarterly")(note.run)
    jobs.register([quarterly], "ground")
    assert quarterly.every_min == 15
    assert [minute for minute in range(60) if _due(15, minute)] == [0, 15, 30, 45]


@pytest.mark.parametrize("minutes", [0, 7, 90])
def test_refuses_what_does_not_divide_an_hour(minutes: int) -> None:
    with pytest.raises(ValueError, match="do not divide"):
        every(minutes, "tests.odd")


def _due(minutes: int, minute: int) -> bool:
    from datetime import UTC, datetime

    return jobs_module._every(minutes)(datetime(2026, 11, 24, 9, minute, tzinfo=UTC))
