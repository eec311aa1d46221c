"""What happens to spaces, told upward through `core.events`: inside the unit of work of who causes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Accepted:
    """A partner's admin accepted our invitation: his organisation is to be put on the roster."""

    invitation_id: int


@dataclass(frozen=True, slots=True)
class RosterStale:
    """An organisation left a space of ours: the roster must be written anew."""

    space_id: int
