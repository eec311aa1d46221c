"""Writing the roster of a space of ours: the next version, proved by our node, announced by the space.

Rule: whatever changes organisations or roles goes through `write`; members come and go by their own activities and
stand in the next version. Source: PROTOCOL 2.j; DECISIONS 4.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import select

from federation import charter, digest, roster
from federation.activity import Document
from federation.errors import LocalError
from federation.ports import MemberNode, Role
from node.core.clock import rfc3339
from node.exchange import service as exchange
from node.exchange.service import NodeWork
from node.spaces.audience import SPACE
from node.spaces.register import Register, register_of

HOST, MEMBER = "host", "member"


def write(
    work: NodeWork,
    iri: str,
    *,
    nodes: Sequence[MemberNode] | None = None,
    members: Mapping[str, Role] | None = None,
) -> int:
    """Announces the next version, with other organisations or members if given; its number.

    Raises federation's OutOfScope when the charter of a partner on it does not let it through.
    """
    register = register_of(work.session, work.ground)
    row = register.get(iri)
    if not row.hosted:
        raise LocalError(f"{iri} is not ours.")
    named = nodes if nodes is not None else [each.node for each in register.named(iri)]
    listed = [replace(each, key=key_of(work, each), stopped=is_stopped(work, iri, each)) for each in named]
    standing = register.standings(iri)
    people = dict(members) if members is not None else {actor: role for actor, (role, _) in standing.items()}
    unchanged = {actor: rev for actor, (role, rev) in standing.items() if people.get(actor) is role}
    grows = len(listed) > len(register.named(iri))
    for each in listed[1:] if grows else ():  # one organisation less, or other people, is always allowed
        relation = work.peers.of_node(each.node)
        if relation is not None:
            charter.covers_roster(relation, len(listed))
    before = _previous(register, row.id)
    document = roster.write(
        iri,
        row.roster_version + 1,
        None if before is None else digest.digest(before),
        listed,
        [roster.Member(actor, role, unchanged.get(actor, 0)) for actor, role in people.items()],
        work.actors.signer(work.node),
        rfc3339(work.now),
        roster.former_after(register.former(iri), _listed(before), listed, row.rev + 1),
    ).document
    said = {"type": "Update", "to": [f"{iri}/members"], "audience": iri, "object": document}
    exchange.publish(work.ground, work, said, iri)
    return row.roster_version + 1


def our_node(work: NodeWork) -> MemberNode:
    """Our organisation as it begins a roster."""
    key = work.actors.signer(work.node).public
    return MemberNode(
        work.node, exchange.settings_of(work.ground).name, key.multibase, HOST, rfc3339(work.now)
    )


def key_of(work: NodeWork, member: MemberNode) -> str:
    """The key of an organisation as we know it now: ours, a partner's; else as the roster has it."""
    if member.node == work.node:
        return work.actors.signer(work.node).public.multibase
    relation = work.peers.of_node(member.node)
    return member.key if relation is None or not relation.keys else relation.keys[0].multibase


def is_stale(work: NodeWork, iri: str, member: MemberNode) -> bool:
    """Whether the roster in force says otherwise of an organisation than we know now."""
    return (key_of(work, member), is_stopped(work, iri, member)) != (member.key, member.stopped)


def is_stopped(work: NodeWork, iri: str, member: MemberNode) -> bool:
    """Whether exchange with a partner is stopped in this space of ours, by either side."""
    relation = work.peers.of_node(member.node)
    return relation is not None and iri in relation.stopped


def _previous(register: Register, space_id: int) -> Document | None:
    held = register.execute(select(SPACE.c.roster).where(SPACE.c.id == space_id)).scalar_one()
    document: Document | None = json.loads(held) if held else None
    return document


def _listed(before: Document | None) -> list[MemberNode]:
    return [] if before is None else roster.nodes_of(before)
