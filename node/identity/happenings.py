"""What happens to actors of ours, told through `core.events`: inside the unit of work of who causes it."""

from __future__ import annotations

from federation.activity import Activity
from federation.ports import Relation
from node.core.values import value


@value
class Renamed:
    """An actor of ours is called otherwise from now on."""

    actor: str
    name: str


@value
class KeyToTell:
    """A partner must hear of the keys of our node: `said`, in a request signed by the key named `signer`."""

    relation: Relation
    said: Activity
    signer: str


@value
class KeyTold:
    """By who sends: the partner's node has taken in what `activity` says of our keys; else `problem` says why not."""

    activity: str
    problem: str = ""


@value
class KeyRevoked:
    """The key of our node has ended: these relations (ids) are to be compared anew."""

    relations: tuple[str, ...]
