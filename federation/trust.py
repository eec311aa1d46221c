"""How far an activity has come.

Types and no flags, so that a check cannot be forgotten: a handler takes `Trusted`, and only
`federation.gate` makes one. Importable by the inbound and outbound walks and the handlers alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.activity import Activity
from federation.keys import PublicKey
from federation.ports import Invite, Relation, Space


@dataclass(frozen=True, slots=True)
class Received:
    """Read, under the transport signature of a partner's node; by whom it is, nobody knows yet."""

    activity: Activity
    relation: Relation


@dataclass(frozen=True, slots=True)
class Authentic:
    """Proved by the key of its own actor, over these very bytes."""

    activity: Activity
    relation: Relation


@dataclass(frozen=True, slots=True)
class Trusted:
    """Authentic, and its actor may say this, here.

    `relation` is the partner it came through, None for our own people. `space` is the space it
    acts in, None for what concerns two nodes. `rev` is its place there: given by the Announce it
    came in, or by us when we host the space; None until then. `again`: a space of ours accepted it before an older
    backup took it from us, and does not judge it anew.
    """

    activity: Activity
    relation: Relation | None
    space: Space | None
    rev: int | None = None
    again: bool = False

    @property
    def to_be_ordered(self) -> bool:
        """Whether it is for us, as host of the space, to give it a `rev` and announce it."""
        return self.space is not None and self.space.hosted and self.rev is None


@dataclass(frozen=True, slots=True)
class Introduced:
    """Proved and signed by a key that presented an invitation of ours: good for the handshake alone."""

    activity: Activity
    key: PublicKey
    invite: Invite
