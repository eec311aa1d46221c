"""The answer of replicas to `federation.ports.Statements`."""

from __future__ import annotations

from sqlalchemy.orm import Session

from federation import replica
from federation.activity import Document
from node.core.ground import Ground
from node.replicas.services import runs, statements
from node.spaces.services import copies as spaces


class Statements:
    """Answers `ports.Statements`."""

    def __init__(self, session: Session, ground: Ground) -> None:
        self._session, self._ground = session, ground

    def keep(self, statement: Document) -> None:
        space = spaces.by_iri(self._session, str(statement["object"]))
        if space is not None:
            statements.keep(self._session, self._ground, space, replica.parsed(statement))

    def doubt(self, space: str) -> None:
        known = spaces.by_iri(self._session, space)
        if known is not None:
            runs.when_doubted(self._ground, known.id, self._session)
