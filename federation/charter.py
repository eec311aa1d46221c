"""The charter: the agreement of two nodes, as a document and as a fence.

Rule: the same function decides on send and on receive. Control messages (introductions, receipts,
hello, handshake) pass outside `activityTypes` and `objectTypes`.
Source: PROTOCOL 2.a.5; this version enforces spaces, types, sizes and public addressing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from federation import documents
from federation.activity import CONTEXT, Activity, Document
from federation.authority import PASSES_SUSPENDED, Thing
from federation.errors import NAMESPACE, AgreementSuspended, NoAgreement, OutOfScope
from federation.ports import Relation, Space, State

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
    if relation.state is State.SUSPENDED:
        if act in PASSES_SUSPENDED:
            return
        raise AgreementSuspended("The relation is suspended.", retry_after=SUSPENDED_RETRY_S)
    if relation.state is not State.IN_FORCE or relation.agreement is None:
        raise NoAgreement("No agreement is in force with this node.")
    if relation.agreement["endTime"] <= f"{now:%Y-%m-%dT%H:%M:%SZ}":
        raise NoAgreement("The agreement has ended.")


def covers(relation: Relation, activity: Activity, space: Space) -> None:
    """Let pass what the agreement with `relation` allows in `space`, in either direction.

    Raises:
        OutOfScope: space, type, size or address lies outside; the detail says which.
    """
    covers_space(relation, space.iri)
    covers_activity(relation, activity)


def covers_activity(relation: Relation, activity: Activity) -> None:
    """The same without the space.

    Raises OutOfScope.
    """
    scope = relation.agreement["scope"] if relation.agreement else {}
    if activity.type not in scope.get("activityTypes", ()):
        raise OutOfScope(f"The agreement does not cover the activity type {activity.type}.")
    kind = activity.object_type
    if kind is not None and activity.type in _CARRIES_CONTENT and kind not in scope.get("objectTypes", ()):
        raise OutOfScope(f"The agreement does not cover the object type {kind}.")
    # An Announce wraps a line that may itself be of full size, and that is measured on its own.
    if activity.type != "Announce" and len(activity.raw) > scope.get("maxObjectBytes", 0):
        raise OutOfScope(f"The agreement allows {scope.get('maxObjectBytes', 0)} bytes an object.")
    if scope.get("publicAddressing") != "allowed" and _is_public(activity):
        raise OutOfScope("The agreement forbids addressing the public.")


def _is_public(activity: Activity) -> bool:
    """At any depth; of an Announce this level alone, as what it wraps is asked by itself."""
    if activity.type == "Announce":
        return not documents.PUBLIC.isdisjoint(documents.addresses(activity.document))
    return documents.is_public(activity.document, activity.raw)


_CARRIES_CONTENT = frozenset({"Create", "Update", "Delete", "Add", "Remove"})


def covers_space(relation: Relation, space: str) -> None:
    """Whether the space is listed, or may come by invitation.

    Raises OutOfScope when neither.
    """
    scope = relation.agreement["scope"] if relation.agreement else {}
    listed = any(each.get("id") == space for each in scope.get("spaces", ()))
    if not listed and scope.get("allowNewSpaces") != "by-invite":
        raise OutOfScope("The agreement does not cover this space.")


def covers_roster(relation: Relation, organisations: int) -> None:
    """`onwardTransfer: none` means that a space under this agreement has no third organisation.

    Raises OutOfScope when it has.
    """
    scope = relation.agreement["scope"] if relation.agreement else {}
    if organisations > 2 and scope.get("onwardTransfer") != "allowed":
        raise OutOfScope("The agreement allows no third organisation in a space.")
