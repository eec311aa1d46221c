"""What a node does as it starts, before it sends or serves anything: look whether an older backup of it runs.

Rule: partners that do not answer in time are asked by their lanes, which say hello before they send.
Source: RELIABILITY R11; PROTOCOL 2.a, *Failure cases*.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from urllib.parse import quote

from federation import delivery, recovery
from federation.errors import FederationError
from federation.ports import Relation
from node.core import failpoints
from node.core.ground import Ground
from node.core.log import get_logger
from node.core.values import value
from node.exchange.histories import read_log
from node.exchange.memory import memory_of
from node.exchange.service import egress_of, in_force, open_reading, open_work, settings_of

log = get_logger(__name__)

AT_ONCE = 200  # lines
MAX_WAIT_S = 5.0
THREADS = 8


@value
class Recovered:
    """How many entries came back: of our own log, and of the partner's."""

    own: int = 0
    theirs: int = 0


@value
class CaughtUp:
    """Event: this partner's log was read to its end; how many entries of both logs we had lacked."""

    node: str
    entries: int


def at_start(ground: Ground, *, wait_s: float = MAX_WAIT_S) -> set[str]:
    """Asks all partners at once, at most so long; the relations of those that did not answer.

    First all give back what was ours, then what they said is read on: see `federation.recovery`.
    """
    with open_reading(ground) as work:
        relations = list(in_force(work))
    if not relations:
        return set()
    for each in relations:
        memory_of(ground).expect(each.node)
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="recovery")
    unmet, own = {relation.id for relation in relations}, dict[str, int]()

    def own_of(relation: Relation) -> None:
        own[relation.id] = restore(ground, relation) if _is_behind(ground, relation) else 0

    def theirs_of(relation: Relation) -> None:
        catch_up(ground, relation, own[relation.id])

    for ask in (own_of, theirs_of):
        asked = {pool.submit(ask, each): each for each in relations if ask is own_of or each.id not in unmet}
        done, _ = wait(asked, timeout=wait_s)
        for future in done:
            relation = asked[future]
            try:
                future.result()
            except FederationError as error:
                log.info("recovery.unanswered", partner=relation.node, cause=str(error))
                unmet.add(relation.id)
            except Exception:  # a fault of ours with one partner keeps no node from starting
                log.exception("recovery.failed", partner=relation.node)
                unmet.add(relation.id)
            else:
                unmet.discard(relation.id)
    pool.shutdown(wait=False, cancel_futures=True)
    return unmet


def recover(ground: Ground, relation: Relation) -> Recovered:
    """Both logs of one partner, whole. Raises FederationError."""
    own = restore(ground, relation)
    return Recovered(own, catch_up(ground, relation, own))


def restore(ground: Ground, relation: Relation) -> int:
    """Our own log back from the partner's copy; how many entries. Raises FederationError."""
    with open_reading(ground) as work:
        first = work.log.acknowledged(relation) + 1
    where = f"{relation.exchange}?stream={quote(relation.stream_out, safe='')}&"
    count = _all(ground, relation, where, first, own=True)
    if count:
        log.warning("recovery.restored", partner=relation.node, entries=count)
        with open_work(ground) as work:
            work.audit.note("exchange.restored", partner=relation.node, entries=count)
    return count


def catch_up(ground: Ground, relation: Relation, own: int = 0) -> int:
    """The partner's log, read on from our head; how many entries. `own`: how many came back of ours.

    Raises FederationError.
    """
    with open_reading(ground) as work:
        first = work.streams.head(relation).seq + 1
    count = _all(ground, relation, f"{relation.stream_in}?", first, own=False)
    if count:
        log.info("recovery.caught-up", partner=relation.node, entries=count)
    memory_of(ground).unmet.pop(relation.node, None)
    with open_work(ground) as work:
        ground.events.publish(CaughtUp(relation.node, own + count), work.session)
    return count


def _all(ground: Ground, relation: Relation, where: str, first: int, *, own: bool) -> int:
    take = recovery.restore if own else recovery.catch_up
    count = 0
    while True:
        batch = read_log(ground, relation, f"{where}from={first}&to={first + AT_ONCE - 1}")
        if not batch.entries:
            return count
        with open_work(ground) as work:
            count += take(batch, relation, work, settings_of(ground))
            failpoints.hit("recovery.taken")
        failpoints.hit("recovery.committed")
        first = batch.entries[-1].seq + 1


def _is_behind(ground: Ground, relation: Relation) -> bool:
    """Says hello, whose answer tells how much of our log the partner has. Raises EgressError."""
    settings = settings_of(ground)
    with open_reading(ground) as work:
        parcel = delivery.hello(relation, work, settings)
    response = egress_of(ground).post("peers", parcel.request)
    with open_reading(ground) as work:
        verdict = delivery.settle(parcel, response, work, settings)
    return isinstance(verdict, delivery.Behind)
