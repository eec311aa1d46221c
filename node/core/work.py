"""The ports of all capabilities put together for one unit of work: what `federation` calls `Work`.

Rule: a capability names its answers (`Capability.ports`: field of `federation.ports.Work` -> factory); a port is
made when first asked for, so that a walk pays for what it touches. A port that keeps what it will write, or what
it has read, enlists as a `Participant`; any other port is forgotten, with what it cached, when a savepoint is
undone. Tables are spoken to through Core: an ORM object does not survive a savepoint that was undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy.orm import Session

from node.core import events
from node.core.audit import Act, Audit
from node.core.clock import Clock

PortFactory = Callable[[Session, Any], Any]
"""(session, ground) -> the port. `ground` is a `node.core.ground.Ground`."""

_PARTICIPANTS = "parvis.participants"
_SAVEPOINT = "line"


class Participant(Protocol):
    """Something that keeps rows in memory for the length of a unit of work (write-behind, cached reads)."""

    def flush(self) -> None:
        """Write what is kept. Called once before the commit."""

    def mark(self) -> Any:
        """Where it stands, as a savepoint begins."""

    def restore(self, mark: Any) -> None:
        """Forget all that came after `mark` (None: everything): the savepoint was undone."""


class Reversible:
    """The memory of a participant: each change of it leaves in `_undo` the step that takes it back."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def mark(self) -> int:
        """How much there is to take back."""
        return len(self._undo)

    def restore(self, mark: int | None) -> None:
        """Takes back all that came after `mark`, newest first."""
        while len(self._undo) > (mark or 0):
            self._undo.pop()()


P = TypeVar("P", bound=Participant)


def enlist(session: Session, key: str, make: Callable[[], P]) -> P:
    """The participant of this name in the unit of work of `session`; made when first asked for."""
    participants: dict[str, P] = session.info.setdefault(_PARTICIPANTS, {})
    found = participants.get(key)
    if found is None:
        found = participants[key] = make()
        events.before_commit(session, found.flush)
    return found


class Ports:
    """One unit of work as `federation` sees it. `exchange` casts it to `federation.ports.Work`."""

    def __init__(self, factories: Mapping[str, PortFactory], session: Session, ground: Any) -> None:
        self._factories = factories
        self.ground = ground
        self._made: list[str] = []
        self.session = session
        self.node: str = f"{ground.settings.origin}/actor"
        self.audit = Notes(ground.audit, session)

    @property
    def now(self) -> datetime:
        """The clock, UTC."""
        clock: Clock = self.ground.clock
        return clock.now()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undoes what was written inside when an exception leaves it, in the tables and in the participants."""
        session = self.session
        participants: dict[str, Participant] = session.info.setdefault(_PARTICIPANTS, {})
        session.flush()
        marks = {key: each.mark() for key, each in participants.items()}
        # Past SQLAlchemy's nested transactions, which cost more than the line that they guard.
        raw: Any = session.connection().connection.dbapi_connection
        raw.execute(f"SAVEPOINT {_SAVEPOINT}")
        try:
            yield
            session.flush()
        except BaseException:
            raw.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            raw.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
            session.expunge_all()
            self._undo(marks)
            raise
        raw.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")

    def _undo(self, marks: Mapping[str, Any]) -> None:
        participants: dict[str, Participant] = self.session.info[_PARTICIPANTS]
        for key in [key for key in participants if key not in marks]:
            participants.pop(key).restore(None)
        for key, each in participants.items():
            each.restore(marks[key])
        for name in self._made:
            delattr(self, name)
        self._made.clear()

    def __getattr__(self, name: str) -> Any:
        try:
            factory = self._factories[name]
        except KeyError:
            raise AttributeError(f"No capability answers the port {name!r}.") from None
        port = factory(self.session, self.ground)
        setattr(self, name, port)
        self._made.append(name)
        return port


class Notes:
    """The answer to `federation.ports.Audit`."""

    COLUMNS: Mapping[str, tuple[str, int]] = {
        "actor": ("actor", 2048),
        "peer": ("peer", 2048),
        "partner": ("peer", 2048),
        "relation": ("peer", 2048),
        "subject": ("subject", 2048),
        "activity": ("subject", 2048),
        "problem": ("rule", 80),
        "digest": ("digest", 100),
    }
    """What a walk calls a fact -> the column that holds it, and how much of it."""

    MAX_DETAIL_CHARS = 500

    def __init__(self, audit: Audit, session: Session) -> None:
        self._audit = audit
        self._session = session

    def note(self, event: str, **facts: object) -> None:
        """One row; facts that are no columns go into the detail. What a stranger may have written is cut short."""
        columns: dict[str, str] = {}
        detail: dict[str, str | int] = {}
        for name, value in facts.items():
            if name in self.COLUMNS:
                column, most = self.COLUMNS[name]
                said = str(getattr(value, "node", value))
                columns[column] = (_fragment(said) if name == "problem" else said)[:most]
            else:
                detail[name] = value if isinstance(value, int) else str(value)[: self.MAX_DETAIL_CHARS]
        self._audit.append(self._session, Act(event, detail=detail, **columns))

    def count(self, event: str, problem: str) -> None:
        """One more refusal of a stranger; written at most once a minute, outside any unit of work for writing."""
        self._audit.count_refusal(f"{event} {_fragment(problem)}".strip())


def _fragment(problem: str) -> str:
    return problem.partition("#")[2]
