"""A space that Aubier hosts and Nord Acier shares; what its people say there, and what each side holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from federation.activity import Activity, new_id
from node.core.clock import rfc3339
from node.core.ground import Ground
from node.exchange import service as exchange
from node.identity.services.people import Person
from tests.node.spaces.world import House, exchange_all, opened


def say(ground: Ground, space: str, actor: str, words: str) -> Activity:
    """A post as `actor` of this node says it: one unit of work."""
    with exchange.open_work(ground) as work:
        note = {
            "id": f"{ground.settings.origin}/o/{new_id()}",
            "type": "Note",
            "attributedTo": actor,
            "audience": space,
            "context": f"{space}/threads/1",
            "name": "Tightening torque",
            "content": f"<p>{words}</p>",
            "published": rfc3339(work.now),
            "to": [f"{space}/members"],
        }
        document = {"type": "Create", "to": [f"{space}/members"], "audience": space, "object": note}
        return exchange.publish(ground, work, document, actor)


def contents(ground: Ground) -> list[str]:
    """What people of this node may read, in the order of the space; pending last."""
    with ground.database.reading() as session:
        return list(
            session.execute(
                text("SELECT content FROM post ORDER BY CASE WHEN rev IS NULL THEN 1 ELSE 0 END, rev")
            ).scalars()
        )


@dataclass
class Talk:
    """Two sides of one space."""

    aubier: House
    nord: House
    space: str
    ines: Person
    marie: Person

    def from_host(self, words: str) -> Activity:
        return say(self.aubier.ground, self.space, self.ines.actor, words)

    def from_guest(self, words: str) -> Activity:
        return say(self.nord.ground, self.space, self.marie.actor, words)

    def relation_id(self, of: House) -> str:
        return of.relation(self.nord if of is self.aubier else self.aubier).id

    def settle(self) -> None:
        exchange_all(self.aubier, self.nord)

    def fact(self, of: House, query: str, **values: Any) -> Any:
        return of.fact(query, **values)


def begin(aubier: House, nord: House) -> Talk:
    """The space, opened, with one member of each side."""
    ines, marie = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir")
    space = opened(aubier, nord, aubier.space(ines), ines, marie)
    nord.join(marie, space, aubier)
    return Talk(aubier, nord, space, ines, marie)
