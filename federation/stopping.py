"""A stop: one side lets nothing pass in some spaces, at once, while the agreement goes on elsewhere.

Rule: each side stops for itself, and takes back its own stops alone; nothing passes in a space while either stops it.
An Update names all that its side stops from now, so the last one says everything. Source: PROTOCOL 2.a.6.
"""

from __future__ import annotations

from collections.abc import Iterable

from federation import charter, cutting, documents, iris
from federation.activity import Activity, Document
from federation.authorship import write
from federation.errors import Malformed, OutOfScope
from federation.ports import Relation, State, Work
from federation.settings import Settings

MAX_STOPPED = 1000


def stop(relation: Relation, spaces: Iterable[str], work: Work, settings: Settings) -> Activity:
    """We stop these spaces (IRIs) from now, and no others.

    Raises OutOfScope or Malformed when it may not be said; OtherAgreement never, as it names ours.
    """
    stated: Document = {
        "id": (relation.agreement or {}).get("id"),
        "type": list(charter.TYPES),
        "stopped": sorted(set(spaces)),
        "objectDigest": relation.agreement_digest,
    }
    said = write({"type": "Update", "to": [relation.node], "object": stated}, settings.node, work, settings)
    _take(said, relation, work)
    return said


def is_stop(activity: Activity) -> bool:
    """Whether an Update of an agreement says which spaces are stopped; else it suspends or resumes."""
    return "stopped" in (activity.object or {})


def take(activity: Activity, relation: Relation, work: Work) -> None:
    """The partner says which spaces it stops.

    Raises OtherAgreement, OutOfScope, Malformed: it may not.
    """
    _take(activity, relation, work)


def spaces_of(activity: Activity) -> tuple[str, ...]:
    """The spaces that an Update stops. Raises Malformed when it lists none as it should."""
    named = (activity.object or {}).get("stopped")
    if not isinstance(named, list) or len(named) > MAX_STOPPED or len(documents.ids(named)) != len(named):
        raise Malformed(f"`stopped` is a list of at most {MAX_STOPPED} spaces.")
    return documents.ids(named)


def _take(said: Activity, relation: Relation, work: Work) -> None:
    spaces = spaces_of(said)
    charter.check_digest((said.object or {}).get("objectDigest"), relation)
    if relation.state not in {State.IN_FORCE, State.SUSPENDED}:
        raise OutOfScope("No agreement is in force.")
    sides = {iris.origin(relation.node), iris.origin(work.node)}
    if any(iris.origin(each) not in sides for each in spaces):
        raise OutOfScope("Only a space of one of the two can be stopped.")
    cutting.cut(work.agreements.stopped(relation, said, spaces), work)
