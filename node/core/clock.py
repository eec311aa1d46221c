"""The time, handed in so that a test may set it. Always aware, always UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """An aware datetime in UTC."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self._now = now.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def move(self, **by: float) -> None:
        """Moves the time by what `timedelta` takes: `seconds=5`, `hours=-1`."""
        self._now += timedelta(**by)


def rfc3339(moment: datetime) -> str:
    """The moment as the wire writes it, whole seconds in UTC: `2026-03-02T08:15:00Z` (PROTOCOL 2.0)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
