"""The handshake of two nodes: invite link, binding MAC, fingerprint.

Rule: the token is never sent; nothing is fetched while an acceptance is received. Both admins
confirm the fingerprint before any agreement can be offered or taken (`federation.offers`).
Source: PROTOCOL 2.a, steps 1 to 3; PRODUCT B2.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from federation import iris, jcs, limits, proofs, signatures
from federation.activity import Activity, Document, new_id
from federation.authorship import write
from federation.errors import (
    Forbidden,
    Malformed,
    RemoteError,
    ReplayedMessage,
    TooManyRequests,
)
from federation.http import Request
from federation.keys import PublicKey, fingerprint
from federation.ports import Invite, Relation, State, Work
from federation.settings import Settings
from federation.trust import Introduced

MAX_FAILURES = 5
GROUPS = 6
GROUP_DIGITS = 5


class UnknownInvite(RemoteError):
    """No such invitation, or it has expired."""

    status, title = 400, "Unknown or expired invitation"


class WrongToken(Forbidden):
    """The token of the invitation does not bind this key.

    `invite` is the invitation that it counts against.
    """

    def __init__(self, invite: str) -> None:
        super().__init__("The token does not bind this key.")
        self.invite = invite


@dataclass(frozen=True, slots=True)
class InviteLink:
    """What an invite link says: who invites (origin), which invitation, its token, and the key expected."""

    origin: str
    invite: str
    token: bytes
    key_fingerprint: str


def link(invite: Invite, key: PublicKey) -> str:
    """The link of an invitation; all that is secret stands in the fragment, which no server sees."""
    origin, short = iris.origin(invite.id), invite.id.rpartition("/")[2]
    token = urlsafe_b64encode(invite.token).rstrip(b"=").decode()
    return f"{origin}/peering/invite#v=1&i={short}&t={token}&k={fingerprint(key.raw)}"


def read_link(text: str) -> InviteLink:
    """Read a pasted link.

    Raises Malformed when it is none of ours.
    """
    address, _, fragment = text.strip().partition("#")
    members = dict(parse_qsl(fragment))
    if members.get("v") != "1" or not {"i", "t", "k"} <= members.keys():
        raise Malformed("This is no invite link: it ends with #v=1&i=…&t=…&k=….")
    origin = iris.origin(address)
    return InviteLink(origin, f"{origin}/peering/invites/{members['i']}", _bytes(members["t"]), members["k"])


def acceptance(link_: InviteLink, theirs: str, key: PublicKey, settings: Settings) -> Document:
    """What the invited node says, still to be written: the invitation, bound to `key` by the token.

    `theirs` is the node actor that invited.
    """
    binding = {
        "from": settings.node,
        "invite": link_.invite,
        "key": key.multibase,
        "nonce": new_id(),
        "to": theirs,
    }
    return {
        "type": "Accept",
        "to": [theirs],
        "object": {"id": link_.invite, "type": "Invite", "actor": theirs},
        "inviteBinding": {**binding, "mac": mac(link_.token, binding)},
    }


def mac(token: bytes, binding: Mapping[str, object]) -> str:
    """base64url(HMAC-SHA-256(token, JCS(binding without `mac`))), unpadded."""
    bound = {name: value for name, value in binding.items() if name != "mac"}
    code = hmac.new(token, jcs.canonicalize(bound), hashlib.sha256).digest()
    return urlsafe_b64encode(code).rstrip(b"=").decode()


def groups(invite_id: str, one: PublicKey, other: PublicKey) -> tuple[str, ...]:
    """The six groups of five digits that both admins compare (PROTOCOL 2.a.3)."""
    lower, higher = sorted((one.multibase, other.multibase))
    hashed = hashlib.sha256(
        b"\0".join(part.encode() for part in ("xn-sas-1", invite_id, lower, higher))
    ).digest()
    numbers = (int.from_bytes(hashed[4 * i : 4 * i + 4]) % 10**GROUP_DIGITS for i in range(GROUPS))
    return tuple(f"{number:0{GROUP_DIGITS}}" for number in numbers)


def introduced(request: Request | None, activity: Activity, work: Work, settings: Settings) -> Introduced:
    """An acceptance of an invitation of ours: the MAC first, then proof and signature by the bound key.

    `request` is None where the transport was checked elsewhere.

    Raises:
        UnknownInvite, ReplayedMessage, Forbidden, TooManyRequests, BadProof, Malformed: no relation.
    """
    binding = activity.document.get("inviteBinding")
    if not isinstance(binding, dict) or not all(isinstance(value, str) for value in binding.values()):
        raise Malformed("`inviteBinding` is missing.")
    invite = work.handshakes.invite(str(binding.get("invite")))
    if invite is None or invite.expires <= f"{work.now:%Y-%m-%dT%H:%M:%SZ}":
        raise UnknownInvite("The invitation is unknown or has expired. Ask for a new link.")
    if invite.used:
        raise ReplayedMessage("The invitation was used before.")
    if invite.failures >= MAX_FAILURES:
        raise TooManyRequests("The invitation was burnt after five wrong attempts.")
    if not hmac.compare_digest(mac(invite.token, binding).encode(), str(binding.get("mac")).encode()):
        raise WrongToken(invite.id)
    if binding.get("to") != settings.node or activity.object_id != invite.id:
        raise Forbidden("The acceptance names another node or another invitation.")
    if binding.get("from") != activity.actor or not iris.same_origin(activity.id, activity.actor):
        raise Forbidden("The acceptance is bound to another actor.")
    origin = iris.origin(activity.actor)
    if origin == settings.origin:
        raise Forbidden("A node does not peer with itself.")
    former = work.peers.of_origin(origin)
    if former is not None and former.state not in _GIVES_WAY:
        raise Forbidden("There is a relation with this node already.")
    host = origin.partition("://")[2].partition(":")[0]
    if invite.expected_host is not None and host != invite.expected_host:
        raise Forbidden("The invitation expects another domain.")
    key = PublicKey.from_multibase(f"{activity.actor}#ed25519", str(binding.get("key")))
    proofs.verify(activity.document, key)
    if request is not None:
        signature = signatures.peer_signature(request)
        if signature.key_id != key.key_id:
            raise Forbidden("The request is signed by another key than the bound one.")
        signatures.verify_request(request, signature, key, int(work.now.timestamp()))
    return Introduced(activity, key, invite)


#: A relation in one of these states gives way to a new invitation: it never came to trust, or has ended.
_GIVES_WAY = frozenset({State.INVITED, State.KEYS_EXCHANGED, State.TERMINATED})


def admit(introduced_: Introduced, work: Work) -> None:
    """Begin the relation: state keys-exchanged, the invitation used up."""
    if not work.handshakes.use_invite(introduced_.invite.id):
        raise ReplayedMessage("The invitation was used before.")
    work.journal.keep(introduced_.activity)
    work.handshakes.introduce(introduced_.activity.actor, introduced_.key, introduced_.invite.id)


def confirmation(relation: Relation, work: Work, settings: Settings) -> Activity:
    """What tells the partner that our admin has compared the fingerprint."""
    document: Document = {
        "type": "Update",
        "to": [relation.node],
        "object": {"id": relation.invite, "type": "Invite", "state": "verified"},
    }
    return write(document, settings.node, work, settings)


def _bytes(text: str) -> bytes:
    try:
        decoded = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (NotBase64, ValueError) as error:
        raise Malformed("The token of the link is damaged. Copy the whole link.") from error
    if len(decoded) < limits.MIN_NONCE_CHARS:
        raise Malformed("The token of the link is too short. Copy the whole link.")
    return decoded
