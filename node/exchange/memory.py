"""What a process remembers between units of work: actors, their keys, and what was introduced to whom.

Rule: nothing enters before its commit. Actors and keys are asked for anew after `FRESH_S`, because another
process may have learned better; what was introduced to whom only grows, so it stays.
Source: PERFORMANCE, section 4, advice 10.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from federation.activity import Document
from federation.keys import PublicKey
from node.core import events
from node.core.db import Database
from node.core.ground import Ground

FRESH_S = 10.0
UNMET_S = 600.0
MAX_KEPT = 20_000
GROUNDS_KEPT = 8  # a process has one; a test of several nodes has a few

_made: dict[Database, Memory] = {}
_making = threading.Lock()


@dataclass
class Memory:
    """Three dictionaries, each emptied when it grows over `MAX_KEPT`; and whom we have not met since we run.

    `unmet`: until when (monotonic) what a partner's node says waits for it to tell how much of our log it has.
    """

    keys: dict[str, tuple[float, PublicKey]] = field(default_factory=dict)
    documents: dict[str, tuple[float, Document, str]] = field(default_factory=dict)
    introduced: dict[tuple[str, str], str] = field(default_factory=dict)
    unmet: dict[str, float] = field(default_factory=dict)

    def expect(self, node: str) -> None:
        """What this partner says waits, for a while: it may reach us though we do not reach it."""
        self.unmet[node] = time.monotonic() + UNMET_S

    def awaits(self, node: str) -> bool:
        """Whether what this partner says waits."""
        return bool(self.unmet) and self.unmet.get(node, 0.0) > time.monotonic()

    def key(self, key_id: str) -> PublicKey | None:
        """A key that was asked for lately."""
        found = self.keys.get(key_id)
        return found[1] if found is not None and found[0] > time.monotonic() else None

    def put_key(self, key: PublicKey) -> None:
        """Remember a committed key."""
        if len(self.keys) >= MAX_KEPT:
            self.keys.clear()
        self.keys[key.key_id] = time.monotonic() + FRESH_S, key

    def document(self, actor: str) -> tuple[Document, str] | None:
        """A document that was asked for lately, and its digest D."""
        found = self.documents.get(actor)
        return found[1:] if found is not None and found[0] > time.monotonic() else None

    def put_document(self, actor: str, document: Document, digest: str) -> None:
        """Remember a committed document."""
        if len(self.documents) >= MAX_KEPT:
            self.documents.clear()
        self.documents[actor] = time.monotonic() + FRESH_S, document, digest

    def put_introduced(self, relation: str, actor: str, digest: str) -> None:
        """Remember a committed introduction."""
        if len(self.introduced) >= MAX_KEPT:
            self.introduced.clear()
        self.introduced[relation, actor] = digest

    def after_commit(
        self,
        session: Session,
        introduced: Mapping[tuple[str, str], str],
        learned: Mapping[str, tuple[Document, str]],
    ) -> None:
        """Take in what the unit of work of `session` has said and learned, once it is committed."""
        said, heard = dict(introduced), dict(learned)

        def remember() -> None:
            for (relation, actor), digest in said.items():
                self.put_introduced(relation, actor, digest)
            for actor in heard:
                self.documents.pop(actor, None)
                for key_id in [each for each in self.keys if each.partition("#")[0] == actor]:
                    self.keys.pop(key_id, None)

        events.after_commit(session, remember)


def memory_of(ground: Ground) -> Memory:
    """The one memory of this process on this ground."""
    with _making:
        memory = _made.get(ground.database)
        if memory is None:
            while len(_made) >= GROUNDS_KEPT:
                del _made[next(iter(_made))]
            memory = _made[ground.database] = Memory()
        return memory
