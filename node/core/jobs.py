"""Background work that may wait a second: mail, previews, clean-up. Delivery is not here (exchange/lanes).

    @job("files.preview", tries=3)
    def preview(ground: Ground, digest: str) -> None: ...

    events.after_commit(session, lambda: ground.jobs.enqueue(preview, digest))

Rule: arguments are JSON; a job may run twice and must not mind. The queue takes a job out before it runs, so a
crash loses it: what must not be lost is found again by a job that runs `every` so often.
Source: ARCHITECTURE, section 5; https://huey.readthedocs.io/en/latest/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from node.config import Settings
from node.core.lean import without
from node.core.log import get_logger

log = get_logger(__name__)

MINUTES_OF_AN_HOUR = 60

Run = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Job:
    """A function that runs in the background as `run(ground, *arguments)`."""

    name: str
    run: Run
    tries: int = 5
    retry_delay_s: int = 30
    every_min: int = 0
    """Runs by itself so often (a divisor of 60, without arguments); 0: only when enqueued."""


def job(name: str, *, tries: int = 5, retry_delay_s: int = 30) -> Callable[[Run], Job]:
    """Makes a job of a function: tried `tries` times, `retry_delay_s` apart and twice as long each time."""
    return lambda run: Job(name, run, tries, retry_delay_s)


def every(minutes: int, name: str) -> Callable[[Run], Job]:
    """Makes a job that runs by itself every so many minutes (a divisor of 60), once; next time is its retry."""
    if minutes < 1 or MINUTES_OF_AN_HOUR % minutes:
        raise ValueError(f"{minutes} minutes do not divide an hour.")
    return lambda run: Job(name, run, tries=1, every_min=minutes)


class Jobs:
    """The queue of one node, and the threads that work it off."""

    def __init__(self, settings: Settings) -> None:
        self._huey = _opened(settings)
        self._threads = settings.job_threads
        self._tasks: dict[str, Any] = {}
        self._consumer: Any = None

    def register(self, jobs: Iterable[Job], ground: object) -> None:
        """Makes `jobs` known here; they run with `ground` as their first argument."""
        for each in jobs:
            if each.name in self._tasks:
                raise ValueError(f"Two jobs are named {each.name}.")
            self._tasks[each.name] = self._task(each, ground)

    def enqueue(self, each: Job, *arguments: str | int | None, delay_s: float = 0) -> None:
        """Runs the job soon, or in `delay_s` seconds. Call it after the commit."""
        task = self._tasks[each.name]
        if delay_s:
            task.schedule(args=arguments, delay=delay_s)
        else:
            task(*arguments)

    def start(self) -> None:
        """Starts the threads, in a process that has signal handlers of its own."""
        if self._consumer is not None:
            return
        from node.core.queue import consumer

        self._consumer = consumer(self._huey, self._threads)
        self._consumer.start()

    def stop(self) -> None:
        """Lets what runs come to its end, for at most ten seconds."""
        if self._consumer is not None:
            self._consumer.stop(graceful=True)
            self._consumer = None

    def run_pending(self) -> int:
        """Works off what is in the queue now, in this thread; how many. For tests and `parvis worker --once`."""
        done = 0
        while (task := self._huey.dequeue()) is not None:
            self._huey.execute(task)
            done += 1
        return done

    def close(self) -> None:
        """Stops, and closes the connections of this thread."""
        self.stop()
        self._huey.storage.close()

    def _task(self, each: Job, ground: object) -> Callable[..., Any]:
        def run(*arguments: Any) -> None:
            try:
                each.run(ground, *arguments)
            except Exception:
                log.exception("job.failed", job=each.name)
                raise

        decorate = (
            self._huey.periodic_task(_every(each.every_min), name=each.name)
            if each.every_min
            else self._huey.task(
                retries=each.tries - 1,
                retry_delay=each.retry_delay_s,
                retry_backoff=2,
                name=each.name,
            )
        )
        task: Callable[..., Any] = decorate(run)
        return task


def _every(minutes: int) -> Callable[[datetime], bool]:
    return lambda now: now.minute % minutes == 0


def _opened(settings: Settings) -> Any:
    with without("psycopg", "gevent"):
        from node.core.queue import opened
    return opened(settings)
