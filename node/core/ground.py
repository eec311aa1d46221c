"""What a use case stands on, in one value: made once in `create_app`, passed, never a global.

Rule: a service takes it (or the part that it needs) as an argument; only doors ask `node.core.http.context.ground()`.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.config import Settings
from node.core.audit import Audit
from node.core.clock import Clock
from node.core.db import Database
from node.core.events import Events
from node.core.jobs import Jobs
from node.core.secrets import Vault
from node.core.storage import Files
from node.core.wake import Wake


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
