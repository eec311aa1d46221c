"""What happens to spaces, told upward through `core.events`: inside the unit of work of who causes it."""

from __future__ import annotations

from node.core.values import value


@value
class Accepted:
    """A partner's admin accepted our invitation: his organisation is to be put on the roster."""

    invitation_id: int


@value
class RosterStale:
    """An organisation left a space of ours: the roster must be written anew."""

    space_id: int
