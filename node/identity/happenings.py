"""What happens to actors of ours, told upward through `core.events`: inside the unit of work of who causes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Renamed:
    """An actor of ours is called otherwise from now on."""

    actor: str
    name: str
