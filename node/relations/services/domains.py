"""Which e-mail domains the DNS proves for a partner: looked up when an agreement comes into force, then daily.

Rule: asked of the DNS outside any transaction. While it does not answer, what was proven stays so for three days.
Source: PROTOCOL 2.a, step 4; 2.d (L0).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import or_, select

from federation import charter, domains
from federation.domains import Resolver, Unresolved
from federation.ports import Relation
from node.core.audit import Act
from node.core.ground import Ground
from node.core.values import value
from node.exchange import service as exchange
from node.relations import records
from node.relations.records import RELATION

CHECK_AGAIN = timedelta(days=1)
KEPT_UNANSWERED = timedelta(days=3)
LOOK_UP_S = 5.0


@value
class Declared:
    """A domain that an organisation declares. `node` is its node actor, `name` where the record stands.

    `record` is what it must say (of ours; "" of a partner's), `proven` what the DNS said last: None when it was silent.
    """

    organisation: str
    node: str
    domain: str
    name: str
    record: str
    proven: bool | None


class Dns:
    """Answers `federation.domains.Resolver` by the resolvers of this machine."""

    def texts(self, name: str) -> Sequence[str]:
        import dns.exception
        import dns.resolver

        try:
            found = dns.resolver.resolve(f"{name}.", "TXT", lifetime=LOOK_UP_S, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except dns.exception.DNSException as error:
            raise Unresolved(f"{name}: {error}") from error
        return [b"".join(each.strings).decode("utf-8", "replace") for each in found]


def resolver() -> Resolver:
    """Whom this node asks."""
    return Dns()


def ours(ground: Ground) -> list[Declared]:
    """The domains of our own settings, each with the record that it needs, and whether the DNS has it now."""
    settings, asked = exchange.settings_of(ground), resolver()
    with exchange.open_reading(ground) as work:
        key = work.actors.signer(settings.node).public
    found = []
    for domain in ground.settings.email_domains:
        try:
            proven = domains.speaks_for(settings.node, (key,), domain, asked)
        except Unresolved:
            proven = None
        name, record = domains.name_of(domain), domains.record(settings.node, key)
        found.append(Declared(settings.name, settings.node, domain, name, record, proven))
    return found


def theirs(ground: Ground) -> list[Declared]:
    """The domains that partners under an agreement declare, and whether the DNS proved each when it was last asked."""
    query = select(*RELATION.c).where(RELATION.c.ended_at.is_(None), RELATION.c.agreement != "")
    with ground.database.reading() as session:
        relations = [records.relation_of(row) for row in session.execute(query).mappings()]
    return [
        Declared(each.name, each.node, domain, f"{domains.LABEL}.{domain}", "", domain in each.proven)
        for each in relations
        for domain in _declared(each)
    ]


def due(ground: Ground) -> list[int]:
    """The relations under an agreement whose domains were not looked up for a day."""
    columns, before = RELATION.c, ground.clock.now() - CHECK_AGAIN
    query = select(columns.id).where(
        columns.ended_at.is_(None),
        columns.agreement != "",
        or_(columns.domains_checked_at.is_(None), columns.domains_checked_at <= before),
    )
    with ground.database.reading() as session:
        return list(session.scalars(query))


def look_up(ground: Ground, relation_id: int) -> None:
    """Asks the DNS about every domain that the partner declares, and keeps what it says."""
    with ground.database.reading() as session:
        row = records.by_id(session, relation_id)
    if row is None or row["ended_at"] is not None or not row["agreement"]:
        return
    relation, now, checked = records.relation_of(row), ground.clock.now(), row["domains_checked_at"]
    proven, silent = _ask(relation, resolver())
    if checked is not None and now - checked < KEPT_UNANSWERED:
        proven |= silent & relation.proven
    with exchange.open_work(ground) as work:
        values: dict[str, Any] = {"proven": json.dumps(sorted(proven))}
        if not silent:
            values["domains_checked_at"] = now
        records.change(work.session, ground, relation_id, **values)
        changes = (
            ("relation.domain-proven", proven - relation.proven),
            ("relation.domain-lost", relation.proven - proven),
        )
        for action, names in changes:
            for name in sorted(names):
                ground.audit.append(
                    work.session, Act(action, peer=relation.node, subject=name, detail={"domain": name})
                )


def _ask(relation: Relation, asked: Resolver) -> tuple[set[str], set[str]]:
    """Of the domains that the partner declares, those that the DNS proves, and those about which it did not answer."""
    proven, silent = set(), set()
    for domain in _declared(relation):
        try:
            if domains.speaks_for(relation.node, relation.keys, domain, asked):
                proven.add(domain)
        except Unresolved:
            silent.add(domain)
    return proven, silent


def _declared(relation: Relation) -> Sequence[str]:
    declared: Sequence[str] = charter.party(relation.agreement or {}, relation.node)["domains"]
    return declared
