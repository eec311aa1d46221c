"""Charters: proposed, answered, agreed; the next version while the present one holds (PROTOCOL 2.a, steps 5 and 6).

Rule: what is agreed to is named by the digest of its text. The first agreement is in force here with our Accept,
entry 1 of our stream; a later version once the partner has taken our Accept in. Source: PRODUCT D.15, B1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from federation import charter, offers
from federation import exchange as log
from federation.errors import RemoteError
from federation.ports import Proposal, Relation
from node.core import failpoints, ids
from node.core.clock import rfc3339
from node.exchange import service as exchange
from node.relations import records
from node.relations.services import messages, terms
from node.relations.services.desk import By, NotTheStep
from node.relations.services.partners import Partner, Partners

OFFER_FOR = timedelta(days=7)
ACCEPT_BEFORE_END = timedelta(minutes=10)  # else our Accept could arrive too late


class Charters(Partners):
    """The use cases of an agreement and its versions."""

    def propose(self, key: str, choices: terms.Choices, by: By) -> Partner:
        """Offers a charter, or the next version of the one in force; an answer to theirs while one is open.

        Raises NoSuchPartner, NotTheStep, Invalid.
        """
        now = self._now()
        with exchange.open_work(self._ground) as work:
            session: Session = work.session
            row = self._row(session, key)
            relation = records.relation_of(row)
            ours, theirs = self._parties(work, row, relation)
            if relation.agreement is None:
                lineage = f"{self._settings.origin}/peering/agreements/{ids.wire_id()}"
                agreement = terms.draft(lineage, ours, theirs, choices, now)
            else:
                disputed = exchange.health(session, relation.id).disputed is not None
                agreement = terms.following(
                    relation.agreement, relation.agreement_digest, ours, theirs, choices, now, anew=disputed
                )
            try:
                said = offers.offer(relation, agreement, rfc3339(now + OFFER_FOR), work, self._settings)
            except RemoteError as error:
                raise NotTheStep(row["state"]) from error
            messages.keep(session, self._ground, relation, said, said.id)
            self._register(session, row["id"], choices)
            self._record(session, "charter.proposed", by, peer=relation.node, subject=said.id)
            failpoints.hit("charter.proposed")
        self._send(row["id"])
        return self.partner(key)

    def agree(self, key: str, digest: str, by: By, approvers: Sequence[str] = ()) -> Partner:
        """Accepts the partner's offer whose text has this digest; `approvers` are the roles of who decided here.

        Raises NoSuchPartner, NotTheStep (another text, too late).
        """
        with exchange.open_work(self._ground) as work:
            session: Session = work.session
            row = self._row(session, key)
            relation = records.relation_of(row)
            proposal = self._answerable(relation, row["state"])
            closes = rfc3339(self._now() + ACCEPT_BEFORE_END)
            if proposal.digest != digest or proposal.ends <= closes:
                raise NotTheStep(row["state"])
            said = offers.acceptance(relation, work, self._settings, approvers)
            if relation.agreement is None:
                log.append(work.agreements.in_force(relation, said), said, work)
            else:
                work.agreements.accepted(relation, said)
                messages.keep(session, self._ground, relation, said, proposal.offer)
            self._record(
                session, "charter.agreed", by, peer=relation.node, subject=proposal.offer, digest=digest
            )
            failpoints.hit("charter.agreed")
        self._send(row["id"])
        return self.partner(key)

    def decline(self, key: str, by: By) -> Partner:
        """Says no to the partner's offer. Raises NoSuchPartner, NotTheStep."""
        with exchange.open_work(self._ground) as work:
            session: Session = work.session
            row = self._row(session, key)
            relation = records.relation_of(row)
            proposal = self._answerable(relation, row["state"])
            said = offers.rejection(relation, work, self._settings)
            messages.keep(session, self._ground, relation, said, proposal.offer)
            work.agreements.declined(relation, proposal.offer)
            self._record(session, "charter.declined", by, peer=relation.node, subject=proposal.offer)
        self._send(row["id"])
        return self.partner(key)

    def withdraw(self, key: str, by: By) -> Partner:
        """Takes our offer back; it stays open until the partner's node has taken that in.

        Raises NoSuchPartner, NotTheStep.
        """
        with exchange.open_work(self._ground) as work:
            session: Session = work.session
            row = self._row(session, key)
            relation = records.relation_of(row)
            proposal = relation.proposal
            if proposal is None or not proposal.by_us:
                raise NotTheStep(row["state"])
            said = offers.withdrawal(relation, work, self._settings)
            messages.keep(session, self._ground, relation, said, proposal.offer)
            self._record(session, "charter.withdrawn", by, peer=relation.node, subject=proposal.offer)
        self._send(row["id"])
        return self.partner(key)

    def _answerable(self, relation: Relation, state: str) -> Proposal:
        """Their open offer that we have not answered. Raises NotTheStep."""
        proposal = relation.proposal
        if proposal is None or proposal.by_us or proposal.accepted:
            raise NotTheStep(state)
        return proposal

    def _parties(
        self, work: Any, row: Mapping[Any, Any], relation: Relation
    ) -> tuple[charter.Party, charter.Party]:
        settings = self._settings
        own = work.actors.signer(settings.node).public
        ours = charter.Party(
            node=settings.node,
            legal_name=settings.name,
            role="host",
            domains=self._ground.settings.email_domains,
            issuer=settings.origin,
            keys=(own.multibase,),
            stream=f"{settings.origin}/streams/{ids.wire_id()}",
            contact=f"{settings.origin}/",
        )
        theirs = replace(
            ours,
            node=relation.node,
            legal_name=relation.name,
            role="partner",
            domains=(),
            issuer=row["origin"],
            keys=tuple(key.multibase for key in relation.keys),
            stream=f"{row['origin']}/streams/{ids.wire_id()}",
            contact=f"{row['origin']}/",
        )
        return ours, theirs

    def _register(self, session: Session, relation_id: int, choices: terms.Choices) -> None:
        kept = {name: value for name in ("purpose", "contract") if (value := getattr(choices, name))}
        if kept:
            records.change(session, self._ground, relation_id, **kept)
