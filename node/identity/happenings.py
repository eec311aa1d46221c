"""What happens to actors of ours, told through `core.events`: inside the unit of work of who causes it."""

from __future__ import annotations

from dataclasses import dataclass

from federation.activity import Activity
from federation.ports import Relation


@dataclass(frozen=True, slots=True)
class Renamed:
    """An actor of ours is called otherwise from now on."""

    actor: str
    name: str


@dataclass(frozen=True, slots=True)
class KeyToTell:
    """A partner must hear of the keys of our node: `said`, in a request signed by the key named `signer`."""

    relation: Relation
    said: Activity
    signer: str


@dataclass(frozen=True, slots=True)
class KeyTold:
    """By who sends: the partner's node has taken in what `activity` says of our keys; else `problem` says why not."""

    activity: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class KeyRevoked:
    """The key of our node has ended: these relations (ids) are to be compared anew."""

    relations: tuple[str, ...]
