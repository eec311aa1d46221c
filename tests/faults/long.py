"""What takes days, by a clock that is told to: a partner away for a week or a month (R4), lines that poison (R10)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any

import pytest
from jinja2 import FileSystemBytecodeCache

from federation import delivery
from federation.ports import Effect
from node.core.clock import SetClock
from node.exchange import held
from node.exchange import service as exchange
from node.exchange.lanes import Lane
from node.relations.services import outside
from node.relations.services.desk import By
from node.threads.ports import Objects
from tests.faults.play import Broken
from tests.node.exchange.talk import Talk, begin, contents
from tests.node.spaces.world import Way, Wires, built, peered

DAY = timedelta(days=1)
ASKED_AT_MOST = {"attempts": (20, 6), "hellos": (900, 150)}
"""On the first day, and on each after it."""
LATE_AFTER_S, FIRST_AFTER_S, ALL_AFTER_S = 300, 660, 900
SLOWER_AT_MOST = 2.0
POISON = "poison"


@contextmanager
def talking(folder: Path) -> Iterator[Talk]:
    """Two houses in this process, with a space; their clock moves when it is told to."""
    clock, net = SetClock(datetime.now(UTC).replace(microsecond=0)), Wires()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outside, "egress_to", lambda ground, origin: Way(net))
        compiled = FileSystemBytecodeCache(str(folder))
        houses = [
            built(f"http://{name}.localhost:8101", name, clock, net, compiled, data_dir=str(folder / name))
            for name in ("aubier", "nord-acier")
        ]
        peered(*houses)
        yield begin(*houses)
        for house in houses:
            house.ground.close()


def away(talk: Talk, days: int, pending: int, until: float = inf) -> dict[str, Any]:
    """The host is away so long while so much is said to it; how often it was asked, and how all came in the end.

    Raises Broken when something did not come, not in order, asked more often or later than R4 allows, or not
    `until` then (as `time.time` says).
    """
    nord, aubier, clock = talk.nord, talk.aubier, talk.nord.clock
    talk.settle()
    nord.net.down.add(aubier.origin)
    said = []
    for number in range(pending):
        said.append(talk.from_guest(f"{number:06}"))
        _in_time(until)
    lane, left = Lane(nord.ground, nord.relation(aubier)), clock.now()
    asked = {"attempts": [0] * (days + 1), "hellos": [0] * (days + 1)}
    late_after_s = None
    while clock.now() - left < days * DAY:
        sent = lane.step()
        if sent is not None:
            asked["attempts" if sent.parcel.entries else "hellos"][(clock.now() - left) // DAY] += 1
        else:
            _wait(lane, clock, pending, left + days * DAY)
        if late_after_s is None and _state(talk, said[0].id) == "late":
            late_after_s = (clock.now() - left).total_seconds()
    state, stopped = _state(talk, said[0].id), lane.course is not None and lane.course.due(pending) is None
    nord.net.down.clear()
    if stopped:
        nord.relations.retry(nord.partner(aubier).key, By("", "Nora Lind"))
        lane = Lane(nord.ground, nord.relation(aubier))
    back, begun, first_s = clock.now(), time.monotonic(), None
    while talk.fact(nord, "SELECT seq > acknowledged FROM stream WHERE ours"):
        sent = lane.step()
        if sent is None:
            _wait(lane, clock, pending, back + DAY)
        elif first_s is None and sent.parcel.entries:
            first_s = (clock.now() - back).total_seconds()
        if clock.now() >= back + DAY:
            raise Broken("it was not delivered within a day")
        _in_time(until)
    real_s = time.monotonic() - begun
    if contents(aubier.ground) != [f"<p>{number:06}</p>" for number in range(pending)]:
        raise Broken("something is missing, or out of order")
    for what, (most, later) in ASKED_AT_MOST.items():
        first, *others = asked[what][:days]
        if first > most or max(others) > later:
            raise Broken(f"too many {what} by day: {asked[what]}")
    if late_after_s is None or not 60 <= late_after_s <= LATE_AFTER_S:
        raise Broken(f"people are told after {late_after_s} s that it is late")
    if first_s is None or first_s > FIRST_AFTER_S or real_s > ALL_AFTER_S:
        raise Broken(
            f"back, the first was delivered after {first_s} s by its clock, and all after {real_s:.0f} s"
        )
    return {
        "days": days,
        "pending": pending,
        "attempts_by_day": asked["attempts"][:days],
        "hellos_by_day": asked["hellos"][:days],
        "late_after_s": late_after_s,
        "mark": state,
        "stopped": stopped,
        "on_record": any(line.startswith("delivery.stopped") for line in nord.audited()),
        "first_after_s": first_s,
        "all_after_s": round(real_s, 1),
    }


def _in_time(until: float) -> None:
    if time.time() > until:
        raise Broken("no time left")


def _wait(lane: Lane, clock: SetClock, pending: int, until: datetime) -> None:
    due = None if lane.course is None else lane.course.due(pending)
    moment = until if due is None else min(max(due, clock.now() + timedelta(milliseconds=10)), until)
    clock.move(seconds=(moment - clock.now()).total_seconds())


def _state(talk: Talk, activity: str) -> str:
    with talk.nord.ground.database.reading() as session:
        return exchange.marks(session, [activity], talk.nord.clock.now())[activity][0].state


def poisoned(talk: Talk, items: int, poison: int, until: float = inf) -> dict[str, Any]:
    """Of so many posts, these many cannot be stored at the host, which goes on trying them while the others come.

    How long the others took from the start of their batch until they could be read, against a fourth as many posts
    without any poison. Raises Broken: one is not in quarantine with its cause after five tries, one click does not
    bring it back, or there was no time (as `time.time` says).
    """
    every, fails, host = items // poison, True, talk.aubier
    plain = Objects.create

    def create(self: Objects, effect: Effect) -> None:
        if fails and effect.space.hosted and POISON in str(effect.activity.document):
            raise RuntimeError("a bug of ours")
        plain(self, effect)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Objects, "create", create)
        clean = _batches(talk, [f"clean {number}" for number in range(items // 4)], until)
        words = [f"{POISON if number % every == 0 else 'good'} {number}" for number in range(items)]
        mixed = _batches(talk, words, until)
        rounds = 0
        while host.fact("SELECT count(*) FROM held_line WHERE quarantined_at IS NULL"):
            host.clock.move(hours=1)
            held.retry(host.ground)
            rounds += 1
            if rounds > held.MAX_TRIES + 1:
                raise Broken("poison is tried for longer than five times, or others wait for it")
            _in_time(until)
        gone = host.fact(
            "SELECT count(*) FROM held_line WHERE tries = 5 AND cause = 'RuntimeError: a bug of ours'"
        )
        if gone != poison:
            raise Broken(f"{gone} of {poison} are in quarantine with their cause")
        fails = False
        host.relations.retry(host.partner(talk.nord).key, By("", "Nora Lind"))
        while held.retry(host.ground):
            _in_time(until)
        if host.fact("SELECT count(*) FROM held_line") or len(contents(host.ground)) != items + items // 4:
            raise Broken("not all came back by one click")
    return {
        "items": items,
        "poison": poison,
        "rounds": rounds,
        "p50_ms": [_percentile(each, 50) for each in (clean, mixed)],
        "p99_ms": [_percentile(each, 99) for each in (clean, mixed)],
        "ratio": round(_percentile(mixed, 99) / _percentile(clean, 99), 2),
    }


def _batches(talk: Talk, words: list[str], until: float) -> list[float]:
    """Says and delivers fifty at a time, while the host tries again what it holds; how long each took, in seconds."""
    took = []
    for first in range(0, len(words), 50):
        for each in words[first : first + 50]:
            talk.from_guest(each)
        begun = time.perf_counter()
        talk.aubier.clock.move(seconds=1)
        held.retry(talk.aubier.ground)
        if not isinstance(talk.nord.deliver(talk.aubier), delivery.Delivered):
            raise Broken("a batch was not taken")
        took.append(time.perf_counter() - begun)
        _in_time(until)
    return took


def _percentile(seconds: list[float], percent: int) -> float:
    """In milliseconds."""
    return round(1000 * sorted(seconds)[len(seconds) * percent // 100], 1)
