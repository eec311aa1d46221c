"""One crash after another at every named instant, and what must hold after each (RELIABILITY, R2).

Two nodes run as processes. One of them is told to end at a failpoint, both do what leads there, the one that has
crashed is started again and asked once more for what it did not answer. In the end nothing is lost, nothing is
doubled, and both hold the same.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.core import failpoints
from tests.faults.sides import AGREES_WITHIN_S, Side, Sides

Steps = Sequence[tuple[str, str]]
"""Who does which act (`tests.faults.acts`), in order."""

TALK: Steps = (("host", "say"), ("guest", "say"))
VERSION: Steps = (("host", "propose"), ("host", "tend"), ("guest", "agree"), ("guest", "tend"))
PAUSE: Steps = (("guest", "suspend"), ("guest", "tend"), ("guest", "resume"), ("guest", "tend"))
ROTATION: Steps = (("host", "rotate"), ("host", "tend"), ("guest", "tend"), ("host", "tend"))
RECALL: Steps = (("host", "attach"), ("both", "settle"), ("host", "recall"), ("both", "settle"))
REPAIR: Steps = (("host", "say"), ("both", "settle"), ("guest", "lose"), ("guest", "compare"))
END: Steps = (("guest", "end"), ("guest", "tend"))


@dataclass(frozen=True, slots=True)
class Scene:
    """Who crashes, and what leads there. `last`: nothing can be said after it. `poison`: while lines are held."""

    side: str
    steps: Steps = TALK
    last: bool = False
    poison: bool = False
    restored: bool = False


HOST, GUEST = Scene("host"), Scene("guest")

SCENES: Mapping[str, Scene] = {
    # what is said, taken, ordered and announced
    "outbox.written": HOST,
    "outbox.announced": HOST,
    "outbox.appended": GUEST,
    "journal.flushed": HOST,
    "log.flushed": HOST,
    "heads.flushed": HOST,
    "nonce.used": HOST,
    "inbox.chain-verified": HOST,
    "inbox.line-taken": HOST,
    "inbox.recorded": GUEST,
    "inbox.committed": GUEST,
    "receipt.given": HOST,
    "streams.flushed": HOST,
    "wire.read": HOST,
    "wire.answered": HOST,
    # how it is delivered
    "lanes.leased": GUEST,
    "lane.leased": GUEST,
    "lane.read": GUEST,
    "lane.signed": GUEST,
    "lane.sent": GUEST,
    "lane.answered": GUEST,
    "receipt.taken": GUEST,
    "lane.settling": GUEST,
    "lane.settled": GUEST,
    # what waits through a fault of ours
    "held.applied": Scene("host", poison=True),
    "held.failed": Scene("host", poison=True),
    # what both sign of a log, and what a restore brings back
    "checkpoint.signed": Scene("host", (*TALK, ("both", "settle"), ("host", "checkpoint"))),
    "checkpoint.answered": Scene("host", (*TALK, ("both", "settle"), ("host", "checkpoint"))),
    "checkpoint.kept": Scene("host", (*TALK, ("both", "settle"), ("host", "checkpoint"))),
    "recovery.taken": Scene("guest", restored=True),
    "recovery.committed": Scene("guest", restored=True),
    # copies compared and mended
    "repair.begun": Scene("guest", REPAIR),
    "repair.signed": Scene("host", REPAIR),
    "repair.taken": Scene("guest", REPAIR),
    "repair.settled": Scene("guest", REPAIR),
    # what is called back, and its files
    "recall.begun": Scene("host", RECALL),
    "recall.noted": Scene("guest", RECALL),
    "recall.files-erased": Scene("host", RECALL),
    "recall.scrubbed": Scene("guest", RECALL),
    "recall.receipted": Scene("guest", RECALL),
    "file.written": Scene("host", RECALL),
    "file.kept": Scene("host", RECALL),
    "file.fetched": Scene("guest", RECALL),
    "file.arrived": Scene("guest", RECALL),
    "file.erased": Scene("guest", RECALL),
    # the life of an agreement
    "charter.proposed": Scene("host", VERSION),
    "charter.agreed": Scene("guest", VERSION),
    "message.signed": Scene("guest", VERSION),
    "message.answered": Scene("guest", VERSION),
    "message.settled": Scene("guest", VERSION),
    "standing.said": Scene("guest", PAUSE),
    # keys
    "key.announced": Scene("host", ROTATION),
    "key.told": Scene("host", ROTATION),
    "key.switched": Scene("host", ROTATION),
    "secrets.resealed": Scene("host", (*TALK, ("host", "reseal"))),
}

FURTHER: Mapping[str, tuple[str, Scene]] = {
    "a message lost while it suspends": ("message.answered", Scene("guest", PAUSE)),
    "a message lost while it resumes": ("message.settled", Scene("guest", PAUSE)),
    "the receiver, while it is told of a next version": ("nonce.used", Scene("guest", VERSION)),
    "notice given": ("standing.said", Scene("guest", END, last=True)),
    "notice sent": ("message.answered", Scene("guest", END, last=True)),
}
"""The same instants on other ways."""

POSTS = "SELECT iri, rev, state, content FROM post ORDER BY iri"
OUT = "SELECT seq, entry_hash FROM stream WHERE ours AND seq > 0"
WAITING = "SELECT count(*) FROM stream WHERE ours AND acknowledged < seq"
TAKEN = "SELECT seq, entry_hash FROM stream WHERE NOT ours AND seq > 0"
ENTRIES = "SELECT count(*) FROM in_entry"
EXCEPTIONS = "SELECT count(*) FROM in_entry WHERE outcome NOT IN ('processed', 'duplicate')"
STANDING = """
SELECT state, agreement_digest, suspended_here_at IS NULL, suspended_there_at IS NULL, proposal FROM relation
"""
MESSAGES = "SELECT count(*) FROM handshake_message"
HELD = "SELECT count(*) FROM held_line"
DUE_NOW = "UPDATE held_line SET next_try = '2026-01-01 00:00:00'"


class Broken(AssertionError):
    """What must hold does not."""


def differing(sides: Sides, tried: AbstractSet[str], answered: AbstractSet[str]) -> str:
    """What is not as it must be once all is settled; "" for nothing. Of the words `tried`, all `answered` are there."""
    facts = [{query: side.facts(query) for query in (POSTS, OUT, TAKEN, WAITING, MESSAGES)} for side in sides]
    posts = facts[0][POSTS]
    if any(each[POSTS] != posts for each in facts):
        return "the posts differ"
    sent, taken = (sorted(row for each in facts for row in each[query]) for query in (OUT, TAKEN))
    if sent != taken:
        return "a log and its copy differ"
    if any(each[WAITING] != [(0,)] or each[MESSAGES] != [(0,)] for each in facts):
        return "something waits"
    words = [row[3].removeprefix("<p>").removesuffix("</p>") for row in posts if row[3]]
    if len(words) != len(set(words)) or not set(words) <= tried:
        return "something was doubled, or never said"
    if len(answered - set(words)) > sum(row[2] != "accepted" for row in posts):
        return "something is lost"
    for side, each in zip(sides, facts, strict=True):
        if side.facts(EXCEPTIONS) != [(0,)]:
            return "an entry was refused"
        if side.facts(ENTRIES) != [(sum(seq for seq, _ in each[TAKEN]),)]:
            return "an entry is missing, or twice"
    digests = {side.act("digest") for side in sides}
    return "" if len(digests) == 1 and None not in digests else f"the digests differ: {digests}"


class Play:
    """Both sides, and what people were answered."""

    def __init__(self, sides: Sides) -> None:
        self.host, self.guest = sides
        self.answered: set[str] = set()
        self.tried: set[str] = set()
        self._number = 0

    def start(self) -> None:
        for side in self.both:
            side.start()

    @property
    def both(self) -> Sides:
        return self.host, self.guest

    def crash(self, failpoint: str, scene: Scene) -> None:
        """One crash there, and all that must hold afterwards. Raises Broken."""
        name = failpoint.partition(":")[0]
        crashing = self.host if scene.side == "host" else self.guest
        if scene.restored:
            self._restore(crashing, failpoint)
        elif scene.poison:
            self._poison(crashing, failpoint)
        else:
            crashing.arm(failpoint)
            crashed, until = False, time.monotonic() + AGREES_WITHIN_S
            while not crashed:
                if time.monotonic() > until:
                    raise Broken(f"{name} was not reached: {self.problems()}")
                for who, act in scene.steps:
                    for side in self.both if who == "both" else [getattr(self, who)]:
                        crashed |= self._do(side, act, crashing)
                if not crashed:
                    time.sleep(0.05)
        if scene.last:
            self._ended()
        else:
            self.agree()

    def _do(self, side: Side, act: str, crashing: Side) -> bool:
        """Asks for the act until it is answered; whether the crashing side crashed on the way."""
        if act == "settle":
            return self._settle(crashing)
        words = ""
        if act in {"say", "attach", "propose", "suspend", "end"}:
            self._number += 1
            words = f"{side.name} {self._number}"
        crashed, until = False, time.monotonic() + AGREES_WITHIN_S
        while True:
            if act in {"say", "attach"}:
                self.tried.add(words)
            answer = side.act(act, words)
            crashed |= self._again(crashing, silent=answer is None)
            if answer is not None and (act != "compare" or answer == "equal"):
                break
            if time.monotonic() > until:
                raise Broken(f"{side.name} does not {act}: {side.problem}")
            if act in {"say", "attach"} and crashed:
                words += "'"
        if act in {"say", "attach"}:
            self.answered.add(words)
        return crashed

    def _settle(self, crashing: Side) -> bool:
        """Until both hold the same posts, or the crash has come."""
        until = time.monotonic() + AGREES_WITHIN_S
        while time.monotonic() < until:
            for side in self.both:
                side.act("tend")
            if self._again(crashing):
                return True
            if self.host.facts(POSTS) == self.guest.facts(POSTS) and not self._waits():
                return False
            time.sleep(0.05)
        raise Broken(f"does not settle: {self.problems()}")

    def _waits(self) -> bool:
        return any(side.facts(WAITING) != [(0,)] for side in self.both)

    def _again(self, crashing: Side, *, silent: bool = False) -> bool:
        """Starts the side again if it has crashed; whether it had. Who was `silent` may be about to end."""
        if silent and crashing.process is not None:
            crashing.process.join(0.5)
        status = crashing.crashed()
        if status is None:
            return False
        if status != failpoints.STATUS:
            raise Broken(f"{crashing.name} ended with {status}.")
        crashing.start()
        return True

    def _poison(self, side: Side, failpoint: str) -> None:
        """Crashes while it tries a held line again, which it can or cannot apply now."""
        side.stop()
        side.start(poison="poison")
        for words in ("before", "poison", "after"):
            self._number += 1
            said = f"{words} {self._number}"
            self.tried.add(said)
            if self.guest.act("say", said) is not None:
                self.answered.add(said)
        self._until(lambda: side.facts(HELD) != [(0,)], "nothing is held")
        side.stop()
        side.start(failpoint, "poison" if failpoint == "held.failed" else "")
        side.change(DUE_NOW)
        silent = side.act("retry") is None
        if not self._again(side, silent=silent):
            raise Broken(f"{failpoint} was not reached.")
        side.change(DUE_NOW)
        side.act("retry")

    def _restore(self, side: Side, failpoint: str) -> None:
        """An older backup runs instead, and crashes while it gets back what it lost."""
        place = Path(side.values["PARVIS_DATA_DIR"]) / "parvis.db"
        backup = place.with_name("backup.db")
        self.agree()
        _copy(place, backup)
        for side_ in self.both:
            self._do(side_, "say", side)
        self.agree()
        side.stop()
        _copy(backup, place)
        side.start(failpoint)
        self._until(lambda: side.crashed() == failpoints.STATUS, f"{failpoint} was not reached")
        side.start()

    def _until(self, done: Any, otherwise: str) -> None:
        until = time.monotonic() + AGREES_WITHIN_S
        while not done():
            if time.monotonic() > until:
                raise Broken(otherwise)
            time.sleep(0.05)

    # -- what must hold

    def agree(self) -> None:
        """Both hold the same, all that was answered is there once, and nothing waits. Raises Broken."""
        until = time.monotonic() + AGREES_WITHIN_S
        while (wrong := self.wrong()) and time.monotonic() < until:
            time.sleep(0.05)
            for side in self.both:
                side.act("tend")
        if wrong:
            raise Broken(f"{wrong}: {self.problems()}")

    def wrong(self) -> str:
        found = differing(self.both, self.tried, self.answered)
        if not found and self._standing(self.host) != self._standing(self.guest, other=True):
            return "the agreement stands otherwise on both sides"
        return found

    def _standing(self, side: Side, *, other: bool = False) -> tuple[Any, ...]:
        [(state, digest, here, there, proposal)] = side.facts(STANDING)
        return (state, digest, *((there, here) if other else (here, there)), proposal == "")

    def _ended(self) -> None:
        def over() -> bool:
            for side in self.both:
                side.act("tend")
            return all(side.facts("SELECT state FROM relation") == [("terminated",)] for side in self.both)

        self._until(over, "it has not ended on both sides")

    def problems(self) -> list[str]:
        return [side.problem for side in self.both]


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)
