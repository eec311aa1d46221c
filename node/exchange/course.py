"""How delivery to one partner goes, and what is due when. Pure: the clock comes in, decisions go out.

Rule: an attempt that succeeds, and nothing else, sets the schedule back. A hello that is answered after silence,
or a verified request from the partner, earns one attempt at once; of many requests, one in `HINT_SPACING`.
Source: RELIABILITY 2.1, *Schedule*; PROTOCOL 2.i.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from federation import delivery, limits
from federation.delivery import Behind, Delivered, Refused, Retry, Stopped, Verdict
from node.core.values import value

PAUSE = timedelta(hours=6)  # between attempts at a partner that refuses us
HINT_SPACING = timedelta(seconds=2)
TOO_LARGE = "413"


class Standing(StrEnum):
    """`refused`: the partner takes nothing from us. `stopped`: only an admin helps."""

    OPEN = "open"
    REFUSED = "refused"
    STOPPED = "stopped"


@value
class Course:
    """Where delivery stands. `silent`: the last contact brought no answer at all. `lines`: how many at once.
    `hinted_at`: of the last attempt that a request of the partner earned.
    """

    standing: Standing = Standing.OPEN
    failures: int = 0
    since: datetime | None = None
    next_attempt: datetime | None = None
    next_hello: datetime | None = None
    hinted_at: datetime | None = None
    silent: bool = False
    lines: int = limits.GATHERED_LINES
    reason: str = ""

    def batch(self, backlog: int, now: datetime) -> int | None:
        """How many lines to send now, of `backlog` that wait: 0 is a hello, None is nothing."""
        if self.standing is Standing.STOPPED:
            return None
        attempt_due = self.next_attempt is None or self.next_attempt <= now
        if backlog and attempt_due:
            most = limits.MAX_BATCH_LINES if self.lines == limits.GATHERED_LINES < backlog else self.lines
            return min(backlog, most)
        if self.standing is Standing.REFUSED:
            return 0 if attempt_due else None
        return 0 if self.next_hello is None or self.next_hello <= now else None

    def due(self, backlog: int) -> datetime | None:
        """When something is due next, if nothing happens before; None for never."""
        if self.standing is Standing.STOPPED:
            return None
        if self.standing is Standing.REFUSED:
            return self.next_attempt
        moments = [self.next_hello, self.next_attempt if backlog else None]
        return min((moment for moment in moments if moment is not None), default=None)

    def hinted(self, now: datetime) -> Course:
        """The partner has just sent us something that we could verify."""
        if self.standing is Standing.STOPPED or not (self.silent or self.standing is Standing.REFUSED):
            return self
        if self.hinted_at is not None and self.hinted_at > now:
            return self  # what an earlier request has earned is still to come
        moment = now if self.hinted_at is None else max(now, self.hinted_at + HINT_SPACING)
        return replace(self, next_attempt=moment, next_hello=moment, hinted_at=moment)

    def after(self, verdict: Verdict, *, entries: int, answered: bool, now: datetime) -> Course:
        """Where delivery stands after an attempt with `entries`, or a hello (0); `answered` by anything at all."""
        match verdict:
            case Delivered():
                return _delivered(self, entries, now)
            case Refused(reason):
                return replace(
                    self,
                    standing=Standing.REFUSED,
                    since=self.since or now,
                    next_attempt=now + PAUSE,
                    reason=reason,
                )
            case Stopped(reason):
                return replace(self, standing=Standing.STOPPED, since=self.since or now, reason=reason)
            case Behind(reason):  # hello again soon, once our log is back
                return _failed(self, Retry(reason), 0, now, answered=True)
            case Retry():
                return _failed(self, verdict, entries, now, answered=answered)


def _delivered(course: Course, entries: int, now: datetime) -> Course:
    idle = delivery.next_hello(None, now)
    if entries or not course.failures:
        return Course(next_hello=idle)
    # A hello went through while attempts had failed: one attempt at once, if it was silence that ended.
    attempt = now if course.silent or course.standing is Standing.REFUSED else course.next_attempt
    return replace(
        course,
        standing=Standing.OPEN,
        silent=False,
        next_attempt=attempt,
        next_hello=delivery.next_hello(course.since, now),
    )


def _failed(course: Course, verdict: Retry, entries: int, now: datetime, *, answered: bool) -> Course:
    since = course.since or now
    failed = replace(
        course,
        since=since,
        silent=not answered,
        next_hello=delivery.next_hello(since, now),
        reason=verdict.reason,
    )
    if not entries:
        return failed
    attempt = delivery.next_attempt(course.failures + 1, since, now)
    if attempt is None:
        return replace(failed, standing=Standing.STOPPED)
    if verdict.after_s is not None:
        attempt = now + timedelta(seconds=verdict.after_s)
    # What is too much for the partner, or too slow, is sent in smaller pieces.
    smaller = entries > 1 and (verdict.reason.startswith(TOO_LARGE) or not answered)
    return replace(
        failed,
        failures=course.failures + 1,
        next_attempt=attempt,
        lines=max(1, entries // 2) if smaller else course.lines,
    )
