"""Stopping single spaces with a partner, at once and by one side, while the agreement goes on elsewhere.

Rule: ours holds here in the unit of work that says it; the partner is told by a message that is sent until it is
taken. What waits in such a space does not leave. Source: PROTOCOL 2.a.6.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask_babel import lazy_gettext as _

from federation import stopping
from federation.errors import Malformed, OutOfScope
from federation.ports import State
from node.core.errors import Invalid
from node.exchange import service as exchange
from node.relations import records
from node.relations.services import messages
from node.relations.services.desk import By, NotTheStep
from node.relations.services.partners import Partner, Partners


class Stops(Partners):
    """The use case of stops."""

    def stop(self, key: str, spaces: Sequence[str], by: By) -> Partner:
        """From now nothing passes in these spaces (IRIs), and in no others by our will.

        Raises NoSuchPartner, NotTheStep (no agreement is in force), Invalid (`errors` by `spaces`).
        """
        with exchange.open_work(self._ground) as work:
            row = self._row(work.session, key)
            relation = records.relation_of(row)
            if relation.state not in {State.IN_FORCE, State.SUSPENDED}:
                raise NotTheStep(row["state"])
            try:
                said = stopping.stop(relation, spaces, work, self._settings)
            except (Malformed, OutOfScope) as error:
                sentence = _("Name spaces of ours or of this partner, by their addresses.")
                raise Invalid(sentence, error.detail, errors={"spaces": sentence}) from error
            messages.keep(work.session, self._ground, relation, said, said.id)
            self._record(
                work.session,
                "relation.spaces-stopped",
                by,
                peer=relation.node,
                subject=said.id,
                digest=relation.agreement_digest,
                spaces=str(len(set(spaces))),
            )
        self._send(row["id"])
        return self.partner(key)
