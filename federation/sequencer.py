"""The host's ordering of a space: `rev`, Announce, and an entry in the log of each member node.

Rule: the host alone gives `rev`, in the commit that accepts. An Announce is one activity for all
partners; what it wraps is spliced in unchanged, never written again (FEP-1b12; PROTOCOL 2.0, 2.j).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from federation import activity as activities
from federation import authorship, cutting, documents, exchange, iris, proofs, resolver
from federation.activity import CONTEXT, Activity, Document
from federation.digest import digest
from federation.errors import LocalError
from federation.ports import Relation, Space, State, Work
from federation.settings import Settings
from federation.trust import Trusted


def give_rev(trusted: Trusted, work: Work) -> Trusted:
    """The same, with the next place in its space, which we host."""
    if trusted.space is None:
        raise LocalError(f"{trusted.activity.id} acts in no space.")
    return replace(trusted, rev=work.spaces.take_rev(trusted.space))


def announce(trusted: Trusted, work: Work, settings: Settings, partners: Iterable[Relation]) -> Activity:
    """Wrap what was accepted and append it to the log of each of `partners`."""
    space, inner = trusted.space, trusted.activity
    if space is None or trusted.rev is None:
        raise LocalError(f"{inner.id} has no place in a space.")
    announced = _wrap(space, inner, trusted.rev, work, settings)
    work.journal.keep(announced, inside=inner)
    for relation in partners:
        introduce(relation, _speakers(announced), space.iri, work, settings)
        exchange.append(relation, announced, work)
    return announced


def announce_late(announced: Activity, partners: Iterable[Relation], work: Work, settings: Settings) -> None:
    """Append an Announce of before to the log of those of `partners` who get what the space says and lack it."""
    for relation in partners:
        if announced.audience in relation.stopped or work.log.times(relation, announced.id):
            continue
        if cutting.outside(relation, announced, work) is None:
            introduce(relation, _speakers(announced), announced.audience, work, settings)
            exchange.append(relation, announced, work)


def partners(trusted: Trusted, work: Work) -> list[Relation]:
    """The relations with the other organisations on the roster of its space, which we host.

    What a partner misses while suspended or expired waits in its log; an ended relation has none.
    """
    if trusted.space is None:
        raise LocalError(f"{trusted.activity.id} acts in no space.")
    relations = (work.peers.of_node(each.node) for each in work.spaces.nodes(trusted.space.iri)[1:])
    return [relation for relation in relations if relation is not None and relation.state in _HAS_LOG]


_HAS_LOG = frozenset({State.IN_FORCE, State.SUSPENDED, State.EXPIRED})


def introduce_members(
    roster: Document, partners: Iterable[Relation], space: str, work: Work, settings: Settings
) -> None:
    """Append who is on a roster, for those who read names; after it, since it says whose node proves them."""
    people = [each["actor"] for each in roster["members"]]
    for relation in partners:
        introduce(relation, people, space, work, settings)


def say_again(relation: Relation, refused: Sequence[Activity], work: Work, settings: Settings) -> None:
    """Introduce anew whom the partner did not know, and append what it refused for that, under the same ids."""
    for activity in refused:
        for actor in _speakers(activity):
            if not iris.same_origin(actor, relation.node):
                work.introductions.introduced(relation, actor, "")
    for activity in refused:
        space = activity.actor if activity.type == "Announce" else None
        introduce(relation, _speakers(activity), space, work, settings)
        exchange.append(relation, activity, work)


def introduce(
    relation: Relation, actors: Iterable[str], space: str | None, work: Work, settings: Settings
) -> None:
    """Append what this partner must know before it can verify the words of `actors`."""
    known_actors = (actor for actor in actors if work.actors.digest(actor) is not None)
    for actor, document in resolver.missing(relation, known_actors, work):
        unsigned = resolver.introduction(document, relation, space, settings)
        exchange.append(relation, authorship.write(unsigned, unsigned["actor"], work, settings), work)
        work.introductions.introduced(relation, actor, digest(document))


def _wrap(space: Space, inner: Activity, rev: int, work: Work, settings: Settings) -> Activity:
    moment = f"{work.now:%Y-%m-%dT%H:%M:%SZ}"
    head: Document = {
        "@context": list(CONTEXT),
        "id": f"{settings.origin}/a/{activities.new_id()}",
        "type": "Announce",
        "actor": space.iri,
        "to": [f"{space.iri}/members"],
        "audience": space.iri,
        "published": moment,
        "salt": activities.new_id(),
        "rev": rev,
    }
    signed = proofs.sign({**head, "object": inner.document}, work.actors.signer(space.iri), moment)
    del signed["object"]
    prefix = documents.dumps(signed)[:-1] + b',"object":'
    return activities.of({**signed, "object": inner.document}, prefix + inner.raw + b"}")


def _speakers(activity: Activity) -> list[str]:
    """Whom a partner must know to take it: who says it, and inside an Announce the author and who is added."""
    inner = activity.object
    if activity.type != "Announce" or inner is None or "actor" not in inner:
        return [activity.actor]
    added = documents.id_of(inner.get("object")) if inner.get("type") == "Add" else None
    return [activity.actor, inner["actor"], *([added] if added else [])]
