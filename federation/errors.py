"""What can go wrong on the wire: whose fault it is, and what the sender must do.

Rule: a `RemoteError` is the peer's fault (a 4xx, final for the line that caused it, logged INFO);
a `LocalError` is ours (logged ERROR, kept, tried again). The problem type is the fragment of
PROTOCOL 2.0, or None where that section names none. Source: RFC 9457; PROTOCOL 2.0, *Errors*.
"""

from __future__ import annotations

from collections.abc import Mapping

NAMESPACE = "https://w3id.org/parvis/v1"


class FederationError(Exception):
    """Root of everything this package raises on purpose."""


class LocalError(FederationError):
    """Our own fault: a bug, or a host that answers its ports wrongly."""


class RemoteError(FederationError):
    """The peer's fault. `members` are the extension members of the problem document."""

    status = 400
    problem: str | None = None
    title = "Bad request"

    def __init__(self, detail: str, **members: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members: Mapping[str, object] = members

    @property
    def type(self) -> str:
        """The problem type as a URI (RFC 9457, section 3.1.1)."""
        return f"{NAMESPACE}#{self.problem}" if self.problem else "about:blank"

    def document(self) -> dict[str, object]:
        """The problem document (RFC 9457, section 3): `type`, `title`, `status`, `detail`, members."""
        return {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }


class Unauthentic(RemoteError):
    """No signature, a bad one, or one that does not cover what it must."""

    status, title = 401, "The signature does not hold"


class ClockSkew(Unauthentic):
    """`created` lies more than 300 s from our clock, or `expires` has passed."""

    problem, title = "clock", "The clocks differ by more than 300 s"


class UnknownVersion(RemoteError):
    """A version of the profile that we do not speak."""

    status, problem, title = 400, "unknown-version", "Unknown version of the profile"


class Forbidden(RemoteError):
    """The signer is known but may not say this here."""

    status, title = 403, "Not allowed"


class NoAgreement(Forbidden):
    """No relation with the origin of the key."""

    problem, title = "no-agreement", "No agreement with this node"


class AgreementSuspended(Forbidden):
    """The relation is suspended; carries `retry_after` in seconds. Or a new key waits to be compared."""

    problem, title = "agreement-suspended", "The agreement is suspended"


class OutOfScope(Forbidden):
    """The charter does not cover this space, type, size or address."""

    problem, title = "out-of-scope", "Not covered by the agreement"


class BadProof(Forbidden):
    """The FEP-8b32 proof is missing, wrong, or by another than the owner."""

    problem, title = "bad-proof", "The proof does not hold"


class NotMember(Forbidden):
    """The actor is not a member of the space."""

    problem, title = "not-member", "Not a member of the space"


class InsufficientAuthentication(Forbidden):
    """`authn` does not meet the charter (RFC 9470); carries `acr_values` and `max_age`."""

    problem, title = "insufficient-authentication", "A stronger sign-in is needed"


class NotFound(RemoteError):
    """Absent, or not for you: always the same answer."""

    status, title = 404, "Not found"


class ReplayedMessage(RemoteError):
    """An id with another body, or a nonce seen before."""

    status, problem, title = 409, "replay", "Seen before"


class SequenceGap(RemoteError):
    """`seq` lies beyond our head; carries `expected`."""

    status, problem, title = 409, "sequence-gap", "Entries are missing"


class DigestMismatch(RemoteError):
    """Two histories: a hash differs from ours. On the stream as a whole 409, on one line 422."""

    status, problem, title = 422, "digest-mismatch", "The digests differ"


class DisputedHistory(DigestMismatch):
    """The writer's chain and ours part; carries `size` and `myHead` where it is found. Both are kept."""

    status = 409


class NotMet(RemoteError):
    """Nobody's fault: we run anew, and have not heard yet how much of our own log this partner has."""

    status, title = 503, "Not yet"


class AsOfGone(RemoteError):
    """The leaves of a copy as of that rev are not kept any more: ask for a new statement."""

    status, problem, title = 409, "as-of-gone", "That statement is too old"


class OtherAgreement(RemoteError):
    """Another version of the agreement is in force here; carries its digest as `agreement`."""

    status, problem, title = 409, "other-agreement", "Another agreement is in force"


class RosterOutdated(RemoteError):
    """A roster version that does not follow ours; carries `version`."""

    status, problem, title = 409, "roster-outdated", "The roster is outdated"


class ActorDisabled(RemoteError):
    """The actor has left."""

    status, problem, title = 410, "actor-disabled", "The actor has left"


class TooLarge(RemoteError):
    """Over a limit of size or number."""

    status, problem, title = 413, "too-large", "Too large"


class Malformed(RemoteError):
    """Not what it should be: JSON, manifest, or shape."""

    status, problem, title = 422, "malformed", "Malformed"


class UnknownActor(RemoteError):
    """The actor was never introduced (PROTOCOL 2.j): introduce, then send again under the same id."""

    status, problem, title = 422, "unknown-actor", "The actor was not introduced"


class TooManyRequests(RemoteError):
    """Over the rate; carries `retry_after` in seconds."""

    status, problem, title = 429, "rate", "Too many requests"


class EgressError(FederationError):
    """A request of ours that got no answer we may use. Nothing of the answer is kept."""


class Refused(EgressError):
    """We do not send this: the list, scheme, host, address, redirect or a field forbids it. Final."""


class Unreachable(EgressError):
    """No address, no connection, or a connection that broke."""


class Untrusted(Unreachable):
    """The certificate does not hold for this host."""


class DeadlineExceeded(Unreachable):
    """Not answered whole before the deadline."""


class UnreadableAnswer(EgressError):
    """Not HTTP as we read it: broken framing, an encoding, or fields that contradict each other."""


class AnswerTooLarge(EgressError):
    """More bytes than were allowed for."""
