"""The ports of all capabilities put together for one unit of work: what `federation` calls `Work`.

Rule: a capability names its answers (`Capability.ports`: field of `federation.ports.Work` -> factory); a port is
made when first asked for, so that a walk pays for what it touches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from node.core.audit import Act, Audit
from node.core.clock import Clock

PortFactory = Callable[[Session, Any], Any]
"""(session, ground) -> the port. `ground` is a `node.core.ground.Ground`."""


class Ports:
    """One unit of work as `federation` sees it. `exchange` casts it to `federation.ports.Work`."""

    def __init__(self, factories: Mapping[str, PortFactory], session: Session, ground: Any) -> None:
        self._factories = factories
        self._ground = ground
        self.session = session
        self.audit = Notes(ground.audit, session)

    @property
    def now(self) -> datetime:
        """The clock, UTC."""
        clock: Clock = self._ground.clock
        return clock.now()

    def __getattr__(self, name: str) -> Any:
        try:
            factory = self._factories[name]
        except KeyError:
            raise AttributeError(f"No capability answers the port {name!r}.") from None
        port = factory(self.session, self._ground)
        setattr(self, name, port)
        return port


class Notes:
    """The answer to `federation.ports.Audit`."""

    COLUMNS = frozenset({"actor", "peer", "subject", "rule", "digest"})

    def __init__(self, audit: Audit, session: Session) -> None:
        self._audit = audit
        self._session = session

    def note(self, event: str, **facts: object) -> None:
        """One row; facts that are no columns go into the detail."""
        columns = {name: str(value) for name, value in facts.items() if name in self.COLUMNS}
        detail = {
            name: value if isinstance(value, int) else str(value)
            for name, value in facts.items()
            if name not in self.COLUMNS
        }
        self._audit.append(self._session, Act(event, detail=detail, **columns))
