"""The roster of a space: its organisations with their node keys, and its people with their roles.

Rule: only the host writes it, as an `Update` by the space; each version names the digest of the one
before. The document carries a proof by the host's node key. Source: PROTOCOL 2.j; DECISIONS 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from federation import documents, iris, multikey, proofs
from federation.activity import CONTEXT, Document
from federation.digest import digest
from federation.errors import BadProof, Malformed
from federation.keys import PublicKey, SigningKey
from federation.ports import MemberNode, Role

HOST, MEMBER = "host", "member"


@dataclass(frozen=True, slots=True)
class Member:
    """One person of the roster."""

    actor: str
    role: Role


@dataclass(frozen=True, slots=True)
class Roster:
    """One version. `digest` is D of the whole document, which the next version names."""

    space: str
    version: int
    nodes: Sequence[MemberNode]
    members: Sequence[Member]
    previous: str | None
    document: Document

    @property
    def digest(self) -> str:
        """D of the document."""
        return digest(self.document)


def write(
    space: str,
    version: int,
    previous: str | None,
    nodes: Sequence[MemberNode],
    members: Sequence[Member],
    key: SigningKey,
    moment: str,
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
            {"node": each.node, "name": each.name, "key": each.key, "role": each.role, "since": each.since}
            for each in nodes
        ],
        "members": [{"actor": each.actor, "role": each.role.value} for each in members],
        "published": moment,
    }
    return Roster(space, version, nodes, members, previous, proofs.sign(document, key, moment))


def read(document: Document, host_key: PublicKey) -> Roster:
    """A roster that the host sent.

    Raises:
        Malformed: a member is missing or of another shape.
        BadProof: not proved by the host's node key.
    """
    if proofs.proof_of(document).verification_method != host_key.key_id:
        raise BadProof("The roster is proved by another key than its host's.")
    proofs.verify(document, host_key)
    space, version, previous = (document.get(name) for name in ("attributedTo", "version", "previousVersion"))
    if not isinstance(space, str) or not isinstance(version, int) or version < 1:
        raise Malformed("A roster has `attributedTo` and a positive `version`.")
    if not (previous is None or isinstance(previous, str)):
        raise Malformed("`previousVersion` is a digest, or null for the first.")
    nodes = [_node(each) for each in documents.as_list(document.get("nodes"))]
    members = [_member(each) for each in documents.as_list(document.get("members"))]
    if not nodes or nodes[0].role != HOST:
        raise Malformed("A roster begins with its host.")
    return Roster(space, version, nodes, members, previous, document)


def key_of(member: MemberNode) -> PublicKey:
    """The key of a member node."""
    return PublicKey.from_multibase(f"{member.node}#ed25519", member.key)


def _node(value: object) -> MemberNode:
    if not isinstance(value, dict):
        raise Malformed("An organisation of a roster is an object.")
    texts = [value.get(name) for name in ("node", "name", "key", "role", "since")]
    if not all(isinstance(text, str) for text in texts):
        raise Malformed("An organisation of a roster has node, name, key, role and since.")
    iris.origin(str(texts[0]))
    multikey.decode(str(texts[2]))
    return MemberNode(*map(str, texts))


def _member(value: object) -> Member:
    if not isinstance(value, dict) or not isinstance(value.get("actor"), str):
        raise Malformed("A person of a roster has an actor.")
    iris.origin(value["actor"])
    try:
        return Member(value["actor"], Role(str(value.get("role"))))
    except ValueError as error:
        raise Malformed("A role is member or manager.") from error
