"""What a contract begins with and no port makes: in dictionaries for the store in memory, by use cases on a node."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from sqlalchemy import text

from federation import handshake
from federation.activity import Document, new_id
from federation.adapters.memory import SpaceRow
from federation.ports import Invite, MemberNode, Relation, Role, Space
from node.exchange.service import open_reading
from node.identity.services.identity import identity_of
from node.identity.services.people import Role as PersonRole
from node.relations import records
from node.relations.services.desk import By as RelationsBy
from node.relations.services.relations import relations_of
from node.spaces.services import spaces as use
from node.spaces.services.spaces import By
from tests.contracts.conftest import ORIGIN, Host

TOKEN = bytes(range(32))


def invite(host: Host) -> str:
    """The id of a new invitation of ours."""
    if host.ground is not None:
        link = relations_of(host.ground).invite(RelationsBy("", "Nora Lind")).link
        return handshake.read_link(link).invite
    iri = f"{ORIGIN}/peering/invites/{new_id()}"
    with host.open_work() as work:
        work.rows.invites[iri] = Invite(iri, TOKEN, "2026-12-01T08:00:00Z", False, 0, None)
    return iri


def confirm_here(host: Host, relation: Relation) -> None:
    """Our administrator has compared the fingerprint."""
    with host.open_work() as work:
        if host.ground is None:
            work.handshakes.confirmed_here(relation)
        else:
            records.confirm(work.session, host.ground, int(relation.id), confirmed_here_at=work.now)


def person(host: Host, name: str) -> str:
    """The actor of somebody of ours."""
    if host.ground is None:
        return f"{ORIGIN}/people/{new_id()}"
    return identity_of(host.ground).add_person(name, PersonRole.MEMBER)[0].actor


def space(host: Host) -> tuple[str, str]:
    """A space of ours, and its manager."""
    if host.ground is not None:
        manager, _link = identity_of(host.ground).add_person("Nora Lind", PersonRole.MEMBER)
        key = use.create(host.ground, By(manager.actor), "Footbridge")
        with host.ground.database.reading() as session:
            iri = session.execute(text("SELECT iri FROM space WHERE key = :key"), {"key": key}).scalar_one()
        return str(iri), manager.actor
    iri, actor = f"{ORIGIN}/spaces/{new_id()}", person(host, "Nora Lind")
    with host.open_work() as work:
        made = Space(iri, host.node, hosted=True, rev=1, first_rev=0, roster_version=1, active=True)
        node = MemberNode(host.node, "North", node_key(host), "host", "2026-11-24T08:00:00Z")
        work.rows.spaces[iri] = SpaceRow(made, {actor: Role.MANAGER}, [node])
    return iri, actor


def welcome(host: Host, iri: str) -> None:
    """Our administrator has accepted the space."""
    with host.open_work() as work:
        if host.ground is None:
            work.rows.spaces[iri] = replace(work.rows.spaces[iri], welcome=True)
        else:
            work.session.execute(text("UPDATE invitation SET state = 'accepted'"))


def node_key(host: Host) -> str:
    """The Multikey of our node."""
    with host.open_work() as work:
        return str(work.actors.signer(host.node).public.multibase)


def audited(host: Host) -> list[str]:
    """The names of what is on record, and of what was counted, oldest first."""
    if host.ground is None:
        with host.open_work() as work:
            return [
                f"refused.{name.rpartition('.')[2]}" if name.endswith("unauthenticated") else name
                for name, _ in work.rows.notes
            ]
    host.ground.audit.write_counted(at_once=True)
    with host.ground.database.reading() as session:
        return list(session.execute(text("SELECT action FROM audit ORDER BY seq")).scalars())


def reading(host: Host) -> AbstractContextManager[Any]:
    """A unit of work that only reads, as strangers are answered in."""
    return host.open_work() if host.ground is None else open_reading(host.ground)


def statements(host: Host) -> list[Document]:
    """What is kept of what nodes signed of their copies."""
    with reading(host) as work:
        if host.ground is None:
            return list(work.rows.statements)
        rows = work.session.execute(text("SELECT document FROM replica_statement")).scalars()
        return [json.loads(row) for row in rows]
