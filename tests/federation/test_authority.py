"""The decision table, cell by cell: who may say what, of what, where (SECURITY C18, TH-13).

`authority.golden` lists all that may be said, of 21 120 cells; a change of the rules shows there, line by line.
`python -m tests.federation.test_authority` writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, cast

import pytest

from federation import activities, activity, authority
from federation.activity import CONTEXT
from federation.errors import Malformed, NotMember, OutOfScope
from federation.ports import MemberNode, Role, Space, Stored, Work

GOLDEN = Path(__file__).with_name("authority.golden")

HOST, NODE, OTHER_NODE = (f"https://{name}.example/actor" for name in ("north", "south", "east"))
SPACE, OTHER_SPACE = "https://north.example/spaces/1", "https://north.example/spaces/2"
OWNER, COLLEAGUE, MANAGER, STRANGER = (
    f"https://south.example/people/{name}" for name in ("owner", "colleague", "manager", "stranger")
)
FOREIGNER = "https://east.example/people/1"
OBJECT = "https://south.example/o/1"

#: Whom we hear, and under the authority of which node.
WHO = {
    "the owner": (OWNER, NODE),
    "a colleague": (COLLEAGUE, NODE),
    "a manager": (MANAGER, NODE),
    "no member": (STRANGER, NODE),
    "the owner's node": (NODE, NODE),
    "the owner's node through another": (NODE, OTHER_NODE),
    "another node": (OTHER_NODE, OTHER_NODE),
    "a member of another node": (FOREIGNER, OTHER_NODE),
    "the space": (SPACE, HOST),
    "the space through another node": (SPACE, OTHER_NODE),
    "the host": (HOST, HOST),
}
PLACES = {
    "stored here": Stored(OBJECT, "Note", OWNER, SPACE),
    "stored elsewhere": Stored(OBJECT, "Note", OWNER, OTHER_SPACE),
    "unknown": None,
}
OBJECTS: dict[str, Any] = {
    "a reference": OBJECT,
    "the space": SPACE,
    "another space": OTHER_SPACE,
    "the owner": OWNER,
    "a Note of the owner": {"id": OBJECT, "type": "Note", "attributedTo": OWNER},
    "a Note of nobody": {"id": OBJECT, "type": "Note"},
    "a Note without id": {"type": "Note", "attributedTo": OWNER},
    "a Person": {"id": OWNER, "type": "Person", "attributedTo": OWNER},
    "a Group": {"id": SPACE, "type": "Group"},
    "a Roster": {"id": f"{SPACE}/roster", "type": "Roster", "attributedTo": SPACE},
    "a Like of the owner": {"id": OBJECT, "type": "Like", "actor": OWNER, "object": OBJECT},
    "a Join": {"id": OBJECT, "type": "Join", "actor": OWNER},
    "an Invite": {"id": OBJECT, "type": "Invite"},
    "an Accept": {"id": OBJECT, "type": "Accept"},
    "an Accept of an Invite": {"id": OBJECT, "type": "Accept", "object": {"id": OBJECT, "type": "Invite"}},
    "an Accept of an Offer": {"id": OBJECT, "type": "Accept", "object": {"id": OBJECT, "type": "Offer"}},
    "an Offer": {"id": OBJECT, "type": "Offer"},
    "an agreement": {"id": OBJECT, "type": ["Relationship", "PeeringAgreement"]},
    "a receipt": {"id": OBJECT, "type": "DeliveryReceipt"},
    "a checkpoint": {"id": OBJECT, "type": "LogCheckpoint"},
    "a statement": {"id": OBJECT, "type": "ReplicaStatement"},
    "a Create": {"id": OBJECT, "type": "Create"},
}
HEARD = {"directly": False, "announced": True}
WHERE = {"in the space": True, "in no space": False}


@dataclass
class Facts:
    """As much of a unit of work as the table asks for."""

    known: Stored | None
    roles: dict[str, Role] = field(
        default_factory=lambda: {
            OWNER: Role.MEMBER,
            COLLEAGUE: Role.MEMBER,
            MANAGER: Role.MANAGER,
            FOREIGNER: Role.MEMBER,
        }
    )

    @property
    def spaces(self) -> Facts:
        return self

    @property
    def objects(self) -> Facts:
        return self

    def role(self, space: str, actor: str) -> Role | None:
        return self.roles.get(actor) if space == SPACE else None

    def nodes(self, space: str) -> list[MemberNode]:
        named = [MemberNode(HOST, "", "", "host", ""), MemberNode(NODE, "", "", "member", "")]
        return named if space == SPACE else []

    def stored(self, object_id: str) -> Stored | None:
        return self.known if object_id == OBJECT else None


def _decision(
    verb: str, object_: Any, actor: str, node: str, place: Stored | None, *, heard: bool, here: bool
) -> str:
    said = activity.of(
        {
            "@context": list(CONTEXT),
            "id": "https://south.example/a/1",
            "type": verb,
            "actor": actor,
            "published": "2026-11-24T08:00:00Z",
            "object": object_,
        },
        b"{}",
    )
    space = (
        Space(SPACE, HOST, hosted=False, rev=9, first_rev=1, roster_version=1, active=True) if here else None
    )
    try:
        thing = authority.decide(
            authority.Claim(said, node, space, announced=heard), cast("Work", Facts(place))
        )
    except NotMember:
        return "not a member"
    except Malformed:
        return "malformed"
    except OutOfScope:
        return "out of scope"
    return thing.name


def lines() -> Iterator[str]:
    """For each verb, thing, place and way: who may say it."""
    for verb, (what, object_), (where, here), (heard, announced) in product(
        activities.BY_NAME, OBJECTS.items(), WHERE.items(), HEARD.items()
    ):
        for place, stored in PLACES.items() if what in _ABOUT_OBJECT else [("", None)]:
            allowed = [
                who
                for who, (actor, node) in WHO.items()
                if _decision(verb, object_, actor, node, stored, heard=announced, here=here)
                in authority.Thing.__members__
            ]
            if allowed:
                cell = ", ".join(filter(None, (verb, what, place, where, heard)))
                yield f"{cell}: {'; '.join(allowed)}"


_ABOUT_OBJECT = {
    "a reference",
    "a Note of the owner",
    "a Note of nobody",
    "a Note without id",
    "a Like of the owner",
}


def test_every_cell_of_the_table_is_decided_as_it_was() -> None:
    assert list(lines()) == GOLDEN.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("verb", "object_", "actor", "place", "decision"),
    [
        ("Like", OBJECT, STRANGER, "stored here", "not a member"),
        ("Create", OBJECTS["a Note of the owner"], STRANGER, "unknown", "out of scope"),
        (
            "Create",
            {**OBJECTS["a Note of the owner"], "attributedTo": STRANGER},
            STRANGER,
            "unknown",
            "not a member",
        ),
        ("Update", OBJECTS["a Note of the owner"], COLLEAGUE, "stored here", "out of scope"),
        ("Delete", OBJECT, COLLEAGUE, "stored here", "out of scope"),
        ("Delete", OBJECT, MANAGER, "stored elsewhere", "out of scope"),
        ("Create", OBJECTS["a Note of nobody"], OWNER, "unknown", "malformed"),
        ("Undo", {**OBJECTS["a Like of the owner"], "actor": 1}, OWNER, "unknown", "malformed"),
        ("Undo", {**OBJECTS["a Like of the owner"], "actor": STRANGER}, STRANGER, "unknown", "not a member"),
    ],
)
def test_says_why_not(verb: str, object_: Any, actor: str, place: str, decision: str) -> None:
    assert _decision(verb, object_, actor, NODE, PLACES[place], heard=False, here=True) == decision


def test_an_owner_who_left_is_told_that_only_membership_is_lacking() -> None:
    left = Stored(OBJECT, "Note", STRANGER, SPACE)
    assert _decision("Delete", OBJECT, STRANGER, NODE, left, heard=False, here=True) == "OBJECT"


@pytest.mark.parametrize(
    "verb", ["Create", "Update", "Delete", "Like", "Undo", "Join", "Leave", "Add", "Remove"]
)
def test_what_one_says_in_a_space_one_may_not_say_in_none(verb: str) -> None:
    for object_, (actor, node) in product(OBJECTS.values(), WHO.values()):
        decision = _decision(verb, object_, actor, node, PLACES["stored here"], heard=False, here=False)
        act = verb, authority.Thing[decision] if decision in authority.Thing.__members__ else None
        assert act not in authority.ORDERED or act == ("Remove", authority.Thing.PERSON)


@pytest.mark.parametrize(
    ("document", "passes"),
    [
        ({"type": "Update", "object": OBJECTS["an agreement"]}, True),
        ({"type": "Update", "object": {"id": NODE, "type": "Application"}}, True),
        ({"type": "Undo", "object": OBJECTS["an Offer"]}, True),
        ({"type": "Undo", "object": OBJECTS["an Accept of an Offer"]}, True),
        ({"type": "Undo", "object": OBJECTS["an Accept"]}, True),
        ({"type": "Undo", "object": OBJECTS["an Accept"], "audience": SPACE}, False),
        ({"type": "Undo", "object": OBJECTS["an Accept of an Invite"]}, False),
        ({"type": "Create", "object": OBJECTS["a receipt"]}, True),
        ({"type": "Create", "object": OBJECTS["a checkpoint"]}, True),
        ({"type": "Create", "object": OBJECTS["a statement"]}, True),
        ({"type": "Delete", "object": OBJECT, "audience": SPACE, "recall": {"mode": "erase"}}, True),
        ({"type": "Delete", "object": OBJECT, "audience": SPACE}, False),
        ({"type": "Announce", "object": {"type": "Delete", "object": OBJECT, "recall": {}}}, True),
        ({"type": "Announce", "object": {"type": "Delete", "object": OBJECT}}, False),
        ({"type": "Announce", "object": {"type": "Create", "object": OBJECT, "recall": {}}}, False),
        ({"type": "Create", "object": OBJECTS["a Note of the owner"], "audience": SPACE}, False),
        ({"type": "Offer", "object": OBJECTS["an agreement"]}, False),
    ],
)
def test_what_passes_while_suspended(document: dict[str, Any], passes: bool) -> None:
    said = {"id": "https://south.example/a/1", "actor": NODE, "published": "2026-11-24T08:00:00Z", **document}
    assert authority.passes_suspended(activity.of(said, b"{}")) is passes


if __name__ == "__main__":
    GOLDEN.write_text("\n".join(lines()) + "\n", encoding="utf-8")
