"""What a node under test is told to do: each act is a goal, so that one cut short by a crash may be asked for again."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from federation.activity import new_id
from federation.errors import FederationError, RemoteError
from federation.ports import Mode, Relation
from federation.replica import WHOLE
from node.core.clock import rfc3339
from node.core.ground import Ground
from node.exchange import held, histories
from node.exchange import service as exchange
from node.files import service as files
from node.identity.services import resealing
from node.identity.services.keys import UnderWay, keys_of
from node.relations.jobs import watch
from node.relations.services import messages
from node.relations.services.desk import By, NotTheStep
from node.relations.services.relations import relations_of
from node.relations.services.terms import Choices
from node.replicas.services import leaves, runs
from node.retention.services import erasing
from node.spaces.services import copies
from node.threads.services import recalls
from tests.node.exchange.talk import say

BY = By("", "Nora Lind")


@dataclass(frozen=True, slots=True)
class Scene:
    """The node, the space of the test and who speaks there."""

    ground: Ground
    space: str
    actor: str

    @property
    def relation(self) -> Relation:
        with exchange.open_reading(self.ground) as work:
            return next(iter(exchange.live(work)))

    @property
    def partner(self) -> str:
        return next(each.key for each in relations_of(self.ground).everybody())

    def fact(self, query: str, **values: Any) -> Any:
        with self.ground.database.reading() as session:
            return session.execute(text(query), values).scalar()


def _say(scene: Scene, words: str) -> None:
    say(scene.ground, scene.space, scene.actor, words)


def _attach(scene: Scene, words: str) -> None:
    """A post with a file."""
    taken = files.take_in(scene.ground, "plan.txt", io.BytesIO(f"Plan: {words}".encode()))
    with exchange.open_work(scene.ground) as work:
        note = {
            "id": f"{scene.ground.settings.origin}/o/{new_id()}",
            "type": "Note",
            "attributedTo": scene.actor,
            "audience": scene.space,
            "context": f"{scene.space}/threads/1",
            "content": f"<p>{words}</p>",
            "published": rfc3339(work.now),
            "to": [f"{scene.space}/members"],
            "attachment": [taken.document()],
        }
        document = {"type": "Create", "to": note["to"], "audience": scene.space, "object": note}
        exchange.publish(scene.ground, work, document, scene.actor)


def _recall(scene: Scene, _: str) -> None:
    """Calls the newest post of ours back that still stands."""
    sought = "SELECT iri FROM post WHERE state = 'accepted' AND rev IS NOT NULL AND iri LIKE :ours ORDER BY rev DESC"
    iri = scene.fact(sought, ours=f"{scene.ground.settings.origin}/%")
    if iri is None:
        return
    with exchange.open_work(scene.ground) as work:
        asked = recalls.wished(work, scene.space, Mode.ERASE, "wrong-recipient")
        recalls.say(scene.ground, work, scene.actor, recalls.What(scene.space, iri), asked)


def _propose(scene: Scene, words: str) -> None:
    """The next version of the agreement, unless one is open."""
    if scene.relation.proposal is None:
        relations_of(scene.ground).propose(scene.partner, Choices(purpose=words, onward="allowed"), BY)


def _agree(scene: Scene, _: str) -> None:
    """Says yes to the offer that is open, if one is."""
    proposal = scene.relation.proposal
    if proposal is not None and not proposal.by_us and not proposal.accepted:
        relations_of(scene.ground).agree(scene.partner, proposal.digest, BY)


def _suspend(scene: Scene, words: str) -> None:
    if not scene.relation.suspended_here:
        relations_of(scene.ground).suspend(scene.partner, words, "en", BY)


def _resume(scene: Scene, _: str) -> None:
    if scene.relation.suspended_here:
        relations_of(scene.ground).resume(scene.partner, BY)


def _end(scene: Scene, words: str) -> None:
    with suppress(NotTheStep, StopIteration):
        relations_of(scene.ground).end(
            scene.partner, on=None, disposition="purge-now", reason=words, language="en", by=BY
        )


def _rotate(scene: Scene, _: str) -> None:
    with suppress(UnderWay):
        keys_of(scene.ground).rotate()


def _checkpoint(scene: Scene, _: str) -> str:
    with suppress(FederationError):
        return str(histories.checkpoint(scene.ground, scene.relation.id, again=True))
    return "unreached"


def _lose(scene: Scene, _: str) -> None:
    """A post of the partner is gone, as after a fault of the disk."""
    iri = scene.fact(
        "SELECT iri FROM post WHERE state = 'accepted' AND iri NOT LIKE :ours ORDER BY rev DESC",
        ours=f"{scene.ground.settings.origin}/%",
    )
    with scene.ground.database.writing() as session:
        for table in ("post_version", "mention", "post_like"):
            query = f"DELETE FROM {table} WHERE post_id = (SELECT id FROM post WHERE iri = :iri)"
            session.execute(text(query), {"iri": iri})
        session.execute(text("DELETE FROM post WHERE iri = :iri"), {"iri": iri})


def _compare(scene: Scene, _: str) -> str:
    number = scene.fact("SELECT id FROM space WHERE iri = :iri", iri=scene.space)
    return runs.compare(scene.ground, number).state


def _retry(scene: Scene, _: str) -> None:
    """Held lines, now."""
    held.retry(scene.ground)


def _reseal(scene: Scene, _: str) -> None:
    resealing.reseal(scene.ground)


def _tend(scene: Scene, _: str) -> None:
    """What the background does every minute, at once: messages, erasures, files, jobs."""
    ground = scene.ground
    with exchange.open_reading(ground) as work:
        relations = [int(each.id) for each in exchange.live(work)]
    for each in relations:
        messages.send(ground, each)
    erasing.settle.run(ground)
    files.seek.run(ground)
    keys_of(ground).tidy()
    watch.run(ground)
    with suppress(RemoteError):
        ground.jobs.run_pending()


def _digest(scene: Scene, _: str) -> str:
    """The root over our copy of the space, and as of which rev."""
    with scene.ground.database.reading() as session:
        space = copies.by_iri(session, scene.space)
    assert space is not None
    as_of = leaves.bring_up_to_date(scene.ground, space)
    with scene.ground.database.reading() as session:
        return f"{as_of} {leaves.tally(session, space.id, as_of, WHOLE).root}"


def _answered(act: Callable[[Scene, str], str | None]) -> Callable[[Scene, str], str]:
    return lambda scene, words: act(scene, words) or "done"


BY_NAME: Mapping[str, Callable[[Scene, str], str]] = {
    each.__name__.lstrip("_"): _answered(each)
    for each in (
        _say,
        _attach,
        _recall,
        _propose,
        _agree,
        _suspend,
        _resume,
        _end,
        _rotate,
        _checkpoint,
        _lose,
        _compare,
        _retry,
        _reseal,
        _tend,
        _digest,
    )
}
