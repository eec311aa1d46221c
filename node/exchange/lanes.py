"""Delivery: one lane for each relation, a thread under a lease, which sends our log to the partner.

Rule: reading and signing happen on a snapshot, HTTP happens outside any transaction, and what the answer means is
written in one short commit. Sending twice does no harm (the partner answers the same receipt), so a lease need
only make it rare. Source: ARCHITECTURE, section 5; PROTOCOL 2.i; RELIABILITY 2.1.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime

from sqlalchemy import bindparam, select, update

from federation import delivery
from federation.delivery import Behind, Delivered, Parcel, Refused, Retry, Stopped, Verdict
from federation.errors import EgressError, FederationError
from federation.http import Response
from federation.ports import Relation
from federation.synchronization import Told
from node.core import failpoints
from node.core.ground import Ground
from node.core.log import get_logger
from node.core.values import value
from node.core.wake import POLL_S
from node.exchange import histories, recovery
from node.exchange.course import Course, Standing
from node.exchange.leases import LEASE_S, RENEW_S, Leases
from node.exchange.service import (
    Acknowledged,
    NodeWork,
    egress_of,
    in_force,
    open_reading,
    open_work,
    settings_of,
)
from node.exchange.unit import LANE

log = get_logger(__name__)

JOIN_S = 12.0
OK, CONFLICT = 200, 409
NOT_THERE = frozenset({502, 503, 504})  # said by what stands before the partner's node
SKEW_STEP_S = 2
REASON_CHARS = 2000
UNREAD = "The partner answers, but its copy of our log can't be read."

_COURSE = select(
    LANE.c.state, LANE.c.failures, LANE.c.since, LANE.c.next_attempt, LANE.c.reason, LANE.c.skew_s
).where(LANE.c.relation == bindparam("wanted"))
_SAVE = update(LANE).where(LANE.c.relation == bindparam("wanted"))


@value
class Sent:
    """What one step did: the parcel, and what its answer means."""

    parcel: Parcel
    verdict: Verdict


class Lane:
    """Delivery to one partner. `step` does what is due; `run` does so until `ended`.

    `met`: since the start the partner has told how much of our log it has (`node.exchange.recovery`).
    """

    def __init__(self, ground: Ground, relation: Relation, *, met: bool = True) -> None:
        self.relation_id, self.node = relation.id, relation.node
        self.met = met  # before that hello alone is said: an older backup of ours may run here
        self.leased_until = float("inf")  # on the monotonic clock
        self.ended = False
        self.course: Course | None = None  # None until it is read
        self._ground = ground
        self._saved = Course()
        self._skew_s: int | None = None
        self._backlog = 0
        self._told = Told()

    def run(self) -> None:
        """Sends what there is, waits for more. Whatever goes wrong here, the lane goes on."""
        wake = self._ground.wake
        own, alive, resumed = f"lane:{self.relation_id}", f"alive:{self.node}", f"resume:{self.relation_id}"
        while not self.ended:
            token = wake.token()
            sent = None
            try:
                sent = self.step()
                wait_s = 0 if sent is not None else self._wait_s()
            except Exception:
                log.exception("lane.failed", relation=self.relation_id)
                wait_s = POLL_S
            # While all is well, the partner's own traffic need not wake us.
            missed = self.course is not None and self.course.since is not None
            if sent is not None and not missed:
                continue
            channels = (own, resumed, alive) if missed else (own, resumed)
            if wake.wait(*channels, timeout=wait_s, since=token) is None:
                continue
            if wake.wait(resumed, timeout=0, since=token) is not None:
                self.course = None
            elif missed and wake.wait(alive, timeout=0, since=token) is not None:
                self.hint()

    def hint(self) -> None:
        """The partner has just sent us something that we could verify."""
        if self.course is not None:
            self.course = self.course.hinted(self._now())

    def step(self) -> Sent | None:
        """Sends one batch or one hello, if either is due and the lease holds; None when nothing was sent."""
        if time.monotonic() >= self.leased_until:
            return None
        failpoints.hit("lane.leased")
        parcel = self._parcel()
        if parcel is None:
            return None
        failpoints.hit("lane.signed")
        response, silence = self._post(parcel)
        failpoints.hit("lane.answered")
        before = self.course or Course()
        verdict = self._settle(parcel, response, silence)
        behind = isinstance(verdict, Behind)
        if behind or (not self.met and isinstance(verdict, Delivered)):
            self.met = self._recovered(parcel.relation, behind=behind)
            if not self.met:  # a failure like any other: the schedule goes on, with hello
                self.course = before.after(Retry(UNREAD), entries=0, answered=True, now=self._now())
        elif isinstance(verdict, Stopped) and response is not None and response.status == CONFLICT:
            self._compare()
        return Sent(parcel, verdict)

    def _compare(self) -> None:
        """The partner has another history of our log: asked for a signed word, it is on record on both sides."""
        try:
            histories.checkpoint(self._ground, self.relation_id, again=True)
        except FederationError as error:
            log.warning("lane.not-compared", partner=self.node, cause=str(error))

    def _recovered(self, relation: Relation, *, behind: bool) -> bool:
        """Our log back, and the partner's read on; whether that went. Who says that we are `behind` must show it."""
        try:
            came = recovery.recover(self._ground, relation)
        except FederationError as error:
            log.warning("lane.not-recovered", partner=self.node, cause=str(error))
            return False
        return bool(came.own) or not behind

    def _parcel(self) -> Parcel | None:
        """What is due, read and signed on one snapshot."""
        with open_reading(self._ground) as work:
            relation = next((each for each in in_force(work) if each.id == self.relation_id), None)
            if relation is None:
                self._backlog = 0
                return None
            if self.course is None or self.course.standing is Standing.STOPPED:
                self.course = self._read(work)  # an admin may have resumed it, and the wake-up been lost
            course = self.course
            waits = work.log.head(relation).seq - work.log.acknowledged(relation)
            self._backlog = waits if self.met else 0  # until then nothing waits but a hello
            lines = course.batch(self._backlog, self._now())
            failpoints.hit("lane.read")
            if lines is None:
                return None
            return delivery.prepare(relation, work, settings_of(self._ground), lines, self._told)

    def _post(self, parcel: Parcel) -> tuple[Response | None, str]:
        """The answer; or None, and why there is none."""
        try:
            response = egress_of(self._ground).post("peers", parcel.request)
        except EgressError as error:
            return None, str(error)
        failpoints.hit("lane.sent")
        return response, ""

    def _settle(self, parcel: Parcel, response: Response | None, silence: str) -> Verdict:
        """What the answer means, and where delivery stands afterwards, in one commit."""
        ground, settings, entries = self._ground, settings_of(self._ground), len(parcel.entries)
        before, skew_s = self.course or Course(), self._skew_s
        if response is not None and response.status == OK:
            with open_work(ground) as work:
                verdict = delivery.settle(parcel, response, work, settings)
                course = before.after(verdict, entries=entries, answered=True, now=self._now())
                if isinstance(verdict, delivery.Delivered):
                    if entries:
                        first = parcel.entries[0].seq
                        event = Acknowledged(self.relation_id, first, verdict.last)
                        ground.events.publish(event, work.session)
                    else:
                        skew_s = _skew_s(response, self._now())
                self._note(verdict, course, work)
                self._write(course, skew_s, work)
                failpoints.hit("lane.settling")
        else:
            verdict = Retry(silence)
            if response is not None:
                with open_reading(ground) as work:
                    verdict = delivery.settle(parcel, response, work, settings)
            answered = response is not None and response.status not in NOT_THERE
            course = before.after(verdict, entries=entries, answered=answered, now=self._now())
            if self._differs(course, skew_s):
                with open_work(ground) as work:
                    self._note(verdict, course, work)
                    self._write(course, skew_s, work)
        failpoints.hit("lane.settled")
        if self._differs(course, skew_s):
            self._saved, self._skew_s = course, skew_s
        self.course = course
        return verdict

    # -- where delivery stands, for others to see

    def _read(self, work: NodeWork) -> Course:
        row = work.session.execute(_COURSE, {"wanted": self.relation_id}).first()
        if row is None:
            return Course()
        self._skew_s = row.skew_s
        self._saved = Course(
            standing=Standing(row.state),
            failures=row.failures,
            since=row.since,
            next_attempt=row.next_attempt,
            silent=row.since is not None,
            reason=row.reason,
        )
        return self._saved

    def _note(self, verdict: Verdict, course: Course, work: NodeWork) -> None:
        """A refusal goes on record once, and so does giving up."""
        refused = isinstance(verdict, Refused | Stopped) and course.reason != self._saved.reason
        given_up = course.standing is Standing.STOPPED is not self._saved.standing
        if refused or given_up:
            work.audit.note(f"delivery.{course.standing.value}", partner=self.node, rule=course.reason)

    def _write(self, course: Course, skew_s: int | None, work: NodeWork) -> None:
        if self._differs(course, skew_s):
            values = {
                "state": course.standing.value,
                "failures": course.failures,
                "since": course.since,
                "next_attempt": course.next_attempt,
                "reason": course.reason[:REASON_CHARS],
                "skew_s": skew_s,
            }
            work.session.execute(_SAVE.values(values), {"wanted": self.relation_id})

    def _differs(self, course: Course, skew_s: int | None) -> bool:
        now = (course.standing, course.failures, course.since, course.reason)
        saved = (self._saved.standing, self._saved.failures, self._saved.since, self._saved.reason)
        return now != saved or (skew_s is not None and abs(skew_s - (self._skew_s or 0)) >= SKEW_STEP_S)

    def _wait_s(self) -> float:
        due = None if self.course is None else self.course.due(self._backlog)
        if due is None:
            return POLL_S
        return min(max((due - self._now()).total_seconds(), 0.01), POLL_S)

    def _now(self) -> datetime:
        return self._ground.clock.now()


class Lanes:
    """All lanes of this process: takes leases, starts a thread for each, ends those that lost theirs."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._leases = Leases(ground)
        self._running: dict[str, tuple[Lane, threading.Thread]] = {}
        self._keeper: threading.Thread | None = None
        self._stopping = False
        self._unmet: set[str] = set()

    def start(self) -> None:
        """Begins, unless this node is told not to deliver; first it looks whether an older backup of it runs."""
        if self._keeper is None and self._ground.settings.delivery:
            self._unmet = recovery.at_start(self._ground)
            self._keeper = threading.Thread(target=self._keep, name="lanes", daemon=True)
            self._keeper.start()

    def stop(self) -> None:
        """Lets what is on its way come to its end, and gives the leases back."""
        self._stopping = True
        self._ground.wake.notify("lanes")
        if self._keeper is not None:
            self._keeper.join(JOIN_S)
        for lane, _ in self._running.values():
            lane.ended = True
        self._ground.wake.notify(*(f"lane:{relation}" for relation in self._running))
        for _, thread in self._running.values():
            thread.join(JOIN_S)
        if self._keeper is not None:
            self._leases.give_back()
        egress_of(self._ground).close()

    def _keep(self) -> None:
        wake = self._ground.wake
        while not self._stopping:
            token = wake.token()
            try:
                self._tend()
            except Exception:
                log.exception("lanes.failed")
            wake.wait("lanes", timeout=RENEW_S, since=token)

    def _tend(self) -> None:
        """Renews what we hold, takes what is free, starts and ends threads accordingly."""
        with open_reading(self._ground) as work:
            relations = {relation.id: relation for relation in in_force(work)}
        asked = time.monotonic()
        held = self._leases.take(relations.values()) if relations else set()
        for name, (lane, _) in list(self._running.items()):
            if name in held:
                lane.leased_until = asked + LEASE_S
            else:
                lane.ended = True
                self._ground.wake.notify(f"lane:{name}")
                del self._running[name]
        for name in held - self._running.keys():
            lane = Lane(self._ground, relations[name], met=name not in self._unmet)
            self._unmet.discard(name)
            lane.leased_until = asked + LEASE_S
            thread = threading.Thread(target=lane.run, name=f"lane {name}", daemon=True)
            self._running[name] = lane, thread
            thread.start()


def _skew_s(response: Response, now: datetime) -> int | None:
    """How far the partner's clock is before ours, by the Date of its answer."""
    with suppress(ValueError, TypeError):
        said = parsedate_to_datetime(response.headers.get("date") or "")
        return round((said - now).total_seconds())
    return None
