"""What happened, told upward without knowing who listens, and what comes just before or after the commit.

Rule: a subscriber runs inside the unit of work of the publisher and may only write rows; what must happen
outside (mail, wake, fetch) is registered with `after_commit`. Source: ARCHITECTURE, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from node.core.log import get_logger

log = get_logger(__name__)

Event = TypeVar("Event")

_AFTER_COMMIT = "parvis.after_commit"
_BEFORE_COMMIT = "parvis.before_commit"


class Events:
    """Subscribers by the class of the event (a frozen dataclass of the capability that publishes it)."""

    def __init__(self) -> None:
        self._subscribers: dict[type, list[Callable[[Any, Session], None]]] = {}

    def subscribe(self, kind: type[Event], subscriber: Callable[[Event, Session], None]) -> None:
        """Calls `subscriber(event, session)` for each event of exactly this class, in order of subscription."""
        self._subscribers.setdefault(kind, []).append(subscriber)

    def publish(self, event: object, session: Session) -> None:
        """Runs the subscribers now, in the caller's unit of work; what one raises rolls all of it back."""
        for subscriber in self._subscribers.get(type(event), ()):
            subscriber(event, session)


def before_commit(session: Session, callback: Callable[[], None]) -> None:
    """Keeps `callback`, which writes what was kept in memory, until just before the commit."""
    session.info.setdefault(_BEFORE_COMMIT, []).append(callback)


def run_before_commit(session: Session) -> None:
    """Runs what was kept, in order; what one raises rolls the unit of work back."""
    for callback in session.info.pop(_BEFORE_COMMIT, ()):
        callback()


def after_commit(session: Session, callback: Callable[[], None]) -> None:
    """Keeps `callback` until the unit of work is committed; a roll-back forgets it."""
    session.info.setdefault(_AFTER_COMMIT, []).append(callback)


def run_after_commit(session: Session) -> None:
    """Runs what was kept, in order. The rows are safe by now, so what one raises is logged and the next runs."""
    for callback in session.info.pop(_AFTER_COMMIT, ()):
        try:
            callback()
        except Exception:
            log.exception("after_commit.failed", callback=getattr(callback, "__qualname__", repr(callback)))


def forget(session: Session) -> None:
    """Drops what was kept: the unit of work was rolled back."""
    session.info.pop(_AFTER_COMMIT, None)
    session.info.pop(_BEFORE_COMMIT, None)
