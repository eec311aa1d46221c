"""The charter: the agreement of two nodes, as a document, and whether it is in force.

Rule: what it lets pass is the fence, `federation.fence`. Source: PROTOCOL 2.a.5 to 2.a.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from federation.activity import CONTEXT, Document
from federation.authority import PASSES_SUSPENDED, PASSES_UNCOMPARED, Thing
from federation.errors import (
    NAMESPACE,
    AgreementSuspended,
    NoAgreement,
    OtherAgreement,
    OutOfScope,
)
from federation.limits import CLOCK_SKEW_S
from federation.ports import Relation, State

ACTIVITY_TYPES = (
    "Create",
    "Update",
    "Delete",
    "Announce",
    "Like",
    "Undo",
    "Add",
    "Remove",
    "Follow",
    "Join",
    "Leave",
    "Invite",
    "Accept",
    "Reject",
)
OBJECT_TYPES = ("Note", "Article", "Document", "Tombstone")
TYPES = ("Relationship", "PeeringAgreement")
DECLARED_ONLY = "declared-only"
SUSPENDED_RETRY_S = 3600


@dataclass(frozen=True, slots=True)
class Party:
    """One side of an agreement; `keys` are Multikeys, `stream` the log that it writes."""

    node: str
    legal_name: str
    role: str
    domains: Sequence[str]
    issuer: str
    keys: Sequence[str]
    stream: str
    contact: str

    def document(self) -> Document:
        """The member of `parties`."""
        return {
            "node": self.node,
            "legalName": self.legal_name,
            "role": self.role,
            "domains": list(self.domains),
            "oidcIssuer": self.issuer,
            "keys": list(self.keys),
            "stream": self.stream,
            "contact": self.contact,
        }


def draft(lineage: str, ours: Party, theirs: Party, now: datetime, *, days: int = 365) -> Document:
    """A first agreement with safe defaults: closed, new spaces by invitation only.

    `lineage` is an IRI of ours; `days` until it ends.
    """
    return {
        "@context": list(CONTEXT),
        "id": f"{lineage}/v1",
        "type": list(TYPES),
        "subject": ours.node,
        "relationship": f"{NAMESPACE}#peersWith",
        "object": theirs.node,
        "version": 1,
        "lineage": lineage,
        "previousVersion": None,
        "startTime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "endTime": f"{now + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}",
        "parties": [ours.document(), theirs.document()],
        "scope": {
            "spaces": [],
            "allowNewSpaces": "by-invite",
            "activityTypes": list(ACTIVITY_TYPES),
            "objectTypes": list(OBJECT_TYPES),
            "dataClasses": [
                {"class": "partner", "personalData": True, "retention": "P2Y", "afterEnd": "P30D"}
            ],
            "maxObjectBytes": 262144,
            "maxBatchBytes": 1048576,
            "maxFileBytes": 52428800,
            "onwardTransfer": "allowed",
            "publicAddressing": "forbidden",
        },
        "identity": {
            "minAcr": [],
            "maxAuthAge": None,
            "emailDomains": "none",
            "offboardingSeconds": 60,
        },
        "evidence": {
            "originProof": "required",
            "receipt": "processed",
            "receiptSeconds": 300,
            "checkpoint": "PT24H",
            "logRetention": "P10Y",
            "timestamping": "none",
        },
        "recall": {"applySeconds": 3600, "backups": "P35D", "legalHold": "allowed-with-notice"},
        "terms": {"notice": "P30D"},
    }


def party(agreement: Document, node: str) -> Document:
    """The side of `node` in an agreement.

    Raises OutOfScope when the node is no party.
    """
    for each in agreement["parties"]:
        if each["node"] == node:
            found: Document = each
            return found
    raise OutOfScope(f"{node} is no party of the agreement.")


def limit(relation: Relation, name: str, otherwise: int) -> int:
    """A size of the scope in bytes (`maxObjectBytes`, `maxBatchBytes`, `maxFileBytes`)."""
    scope = relation.agreement["scope"] if relation.agreement else {}
    value: int = scope.get(name, otherwise)
    return value


def check_in_force(relation: Relation, now: datetime, act: tuple[str, Thing] | None = None) -> None:
    """That what the two nodes agreed on holds at this time, or that `act` passes while it is suspended.

    Raises AgreementSuspended or NoAgreement when it does not.
    """
    if relation.recompare and act not in PASSES_UNCOMPARED:
        raise AgreementSuspended("A key was revoked: both admins compare the new fingerprint first.")
    if relation.state is State.SUSPENDED:
        if act in PASSES_SUSPENDED:
            return
        raise AgreementSuspended("The relation is suspended.", retry_after=SUSPENDED_RETRY_S)
    if relation.state is not State.IN_FORCE or relation.agreement is None:
        raise NoAgreement("No agreement is in force with this node.")
    if min(relation.agreement["endTime"], relation.ends or "~") <= f"{now:%Y-%m-%dT%H:%M:%SZ}":
        raise NoAgreement("The agreement has ended.")
    if relation.agreement["startTime"] > f"{now + timedelta(seconds=CLOCK_SKEW_S):%Y-%m-%dT%H:%M:%SZ}":
        raise NoAgreement("The agreement has not begun.")


def is_demanding(identity: Document) -> bool:
    """Whether an agreement asks anything of how people sign in: then each activity of theirs carries `authn`."""
    return bool(
        identity.get("minAcr")
        or identity.get("maxAuthAge") is not None
        or identity.get("emailDomains") == DECLARED_ONLY
    )


def check_digest(named: object, relation: Relation) -> None:
    """That a digest names the version in force; or the one before, as the partner may not know yet that its Accept
    has arrived.

    Raises OtherAgreement, which carries ours.
    """
    before = (relation.agreement or {}).get("previousVersion")
    if named is None or named not in {relation.agreement_digest, before}:
        raise OtherAgreement("Another agreement is in force here.", agreement=relation.agreement_digest)


def covers_space(relation: Relation, space: str) -> None:
    """Whether the space is listed, or may come by invitation, and nobody has stopped it.

    Raises OutOfScope when not.
    """
    scope = relation.agreement["scope"] if relation.agreement else {}
    listed = any(each.get("id") == space for each in scope.get("spaces", ()))
    if not listed and scope.get("allowNewSpaces") != "by-invite":
        raise OutOfScope("The agreement does not cover this space.")
    if space in relation.stopped:
        raise OutOfScope("This space is stopped.")


def covers_roster(relation: Relation, organisations: int) -> None:
    """`onwardTransfer: none` means that a space under this agreement has no third organisation.

    Raises OutOfScope when it has.
    """
    scope = relation.agreement["scope"] if relation.agreement else {}
    if organisations > 2 and scope.get("onwardTransfer") != "allowed":
        raise OutOfScope("The agreement allows no third organisation in a space.")
