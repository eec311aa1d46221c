"""What a use case stands on, in one value: made once in `create_app`, passed, never a global.

Rule: a service takes it (or the part that it needs) as an argument; only doors ask `node.core.http.context.ground()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from sqlalchemy.orm import Session

from node.config import Settings
from node.core.audit import Audit
from node.core.clock import Clock, SystemClock
from node.core.db import Database
from node.core.events import Events
from node.core.jobs import Jobs
from node.core.secrets import Vault
from node.core.storage import Files, files_at
from node.core.wake import PostgresWake, SocketWake, Wake
from node.core.work import PortFactory, Ports


@dataclass(frozen=True, slots=True)
class Ground:
    """The ground floor of one node."""

    settings: Settings
    database: Database
    clock: Clock
    events: Events
    wake: Wake
    vault: Vault
    audit: Audit
    files: Files
    jobs: Jobs
    ports: Mapping[str, PortFactory] = field(default_factory=dict)

    @classmethod
    def laid(
        cls,
        settings: Settings,
        ports: Mapping[str, PortFactory] | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """Opens what `settings` name. Nothing is connected, listened to or started yet."""
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = Database(settings.database_url)
        clock = clock or SystemClock()
        return cls(
            settings=settings,
            database=database,
            clock=clock,
            events=Events(),
            wake=SocketWake(settings.run_dir) if database.is_sqlite else PostgresWake(database.libpq_url),
            vault=Vault(*settings.secret_keys),
            audit=Audit(database, clock),
            files=files_at(settings.files_url),
            jobs=Jobs(settings),
            ports=ports or {},
        )

    def work(self, session: Session) -> Ports:
        """The unit of work `session` as federation sees it."""
        return Ports(self.ports, session, self)

    def close(self) -> None:
        """Stops and closes everything, the queue first."""
        self.jobs.close()
        self.wake.close()
        self.database.close()
