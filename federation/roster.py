"""The roster of a space: its organisations with their node keys, and its people with their roles.

Rule: only the host writes it, as an `Update` by the space; each version names the digest of the one
before. The document carries a proof by the host's node key. Source: PROTOCOL 2.j; DECISIONS 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from federation import iris, proofs
from federation.activity import CONTEXT, Document
from federation.digest import digest
from federation.errors import Malformed
from federation.keys import PublicKey, SigningKey
from federation.ports import FormerNode, MemberNode, Role
from schemas.as2.roster import objections_to_roster


@dataclass(frozen=True, slots=True)
class Member:
    """One person of the roster; `rev` is the one that made it so, 0 when the roster itself does."""

    actor: str
    role: Role
    rev: int = 0


@dataclass(frozen=True, slots=True)
class Roster:
    """One version. D of the whole document is what the next one names."""

    space: str
    version: int
    nodes: Sequence[MemberNode]
    members: Sequence[Member]
    previous: str | None
    document: Document


def former_after(
    former: Iterable[FormerNode], before: Iterable[MemberNode], nodes: Iterable[MemberNode], rev: int
) -> tuple[FormerNode, ...]:
    """Who is former in a version with `nodes`, after one with `before` and `former`, when it takes this rev.

    So that a newcomer can verify what was said by organisations, and by keys, that are gone.
    """
    listed = {(each.node, each.key) for each in nodes}
    gone = (FormerNode(each.node, each.name, each.key, rev) for each in before)
    return tuple(each for each in (*former, *gone) if (each.node, each.key) not in listed)


def write(
    space: str,
    version: int,
    previous: str | None,
    nodes: Sequence[MemberNode],
    members: Sequence[Member],
    key: SigningKey,
    moment: str,
    former: Sequence[FormerNode] = (),
) -> Roster:
    """A version, proved by the host's node key. `moment` is a UTC time, RFC 3339."""
    document: Document = {
        "@context": list(CONTEXT),
        "id": f"{space}/roster",
        "type": "Roster",
        "attributedTo": space,
        "version": version,
        "previousVersion": previous,
        "nodes": [
            {
                "node": each.node,
                "name": each.name,
                "key": each.key,
                "role": each.role,
                "since": each.since,
                **({"stopped": True} if each.stopped else {}),
            }
            for each in nodes
        ],
        "members": [
            {"actor": each.actor, "role": each.role.value, **({"rev": each.rev} if each.rev else {})}
            for each in members
        ],
        "published": moment,
    }
    if former:
        document["formerNodes"] = [
            {"node": each.node, "name": each.name, "key": each.key, "until": each.until} for each in former
        ]
    return Roster(space, version, nodes, members, previous, proofs.sign(document, key, moment))


def read(document: Document, host_key: PublicKey) -> Roster:
    """A roster that the host sent.

    Raises:
        Malformed: of another shape, an organisation twice, or a person of none of them.
        BadProof: not proved by the host's node key.
    """
    proofs.verify(document, host_key)
    wrong = objections_to_roster(document)
    if wrong:
        raise Malformed(f"The roster is none: {wrong}")
    nodes = nodes_of(document)
    members = [Member(each["actor"], Role(each["role"]), each.get("rev", 0)) for each in document["members"]]
    homes = {iris.origin(each.node) for each in nodes}
    if len(homes) < len(nodes) or not homes >= {iris.origin(each.actor) for each in members}:
        raise Malformed("An organisation of the roster stands twice, or a person belongs to none of them.")
    for each in nodes:
        key_of(each)
    return Roster(
        document["attributedTo"],
        document["version"],
        nodes,
        members,
        document["previousVersion"],
        document,
    )


def nodes_of(document: Document) -> list[MemberNode]:
    """The organisations of a roster that was read before."""
    return [
        MemberNode(
            each["node"],
            each["name"],
            each["key"],
            each["role"],
            each["since"],
            stopped=each.get("stopped") is True,
        )
        for each in document["nodes"]
    ]


def parts(ours: Document, theirs: Document) -> bool:
    """Whether two versions that the host of a space has proved belong to different histories: a fork.

    False when they lie so far apart that nothing says so.
    """
    older, newer = sorted((ours, theirs), key=lambda each: int(each["version"]))
    if newer["version"] == older["version"]:
        return digest(newer) != digest(older)
    follows = newer["version"] == older["version"] + 1
    return bool(follows and newer["previousVersion"] != digest(older))


@lru_cache(maxsize=1024)
def key_of(member: MemberNode) -> PublicKey:
    """The key of a member node."""
    return PublicKey.from_multibase(f"{member.node}#ed25519", member.key)
