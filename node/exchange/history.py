"""What was announced before: the Announces of a space, found by what they wrap, to be told to who comes later.

Rule: what was erased is told to nobody. Source: DECISIONS 5, 22; PROTOCOL 2.j.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from federation import activity as activities
from federation import documents
from federation.activity import Activity
from node.exchange.unit import ACTIVITY, whole

OUTER = ACTIVITY.alias("announce")

_ANNOUNCES = (
    select(ACTIVITY.c.iri, OUTER.c.raw, OUTER.c.suffix, ACTIVITY.c.raw.label("inner"))
    .select_from(OUTER.join(ACTIVITY, ACTIVITY.c.id == OUTER.c.inside_id))
    .where(ACTIVITY.c.iri.in_(bindparam("names", expanding=True)), OUTER.c.type == "Announce")
)


def announces_of(session: Session, wrapped: Sequence[str]) -> dict[str, Activity]:
    """The Announce of each of these activities, by the id of the activity; those that were erased are left out."""
    found: dict[str, Activity] = {}
    if wrapped:
        for row in session.execute(_ANNOUNCES, {"names": list(wrapped)}):
            raw = whole(row.raw, row.inner, row.suffix)
            if raw:
                found[row.iri] = activities.of(documents.loads(raw), raw)
    return found


_SAID = select(ACTIVITY.c.iri, ACTIVITY.c.raw).where(
    ACTIVITY.c.iri.in_(bindparam("names", expanding=True)), ACTIVITY.c.suffix.is_(None)
)


def said(session: Session, activities_named: Sequence[str]) -> dict[str, bytes]:
    """The bytes of these activities, by id; those that were erased are left out."""
    found = session.execute(_SAID, {"names": list(activities_named)}) if activities_named else ()
    return {row.iri: whole(row.raw, None, None) for row in found if row.raw is not None}
