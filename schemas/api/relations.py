"""Partners: the steps of the handshake, and how each relation runs."""

from __future__ import annotations

from marshmallow import Schema
from marshmallow.fields import AwareDateTime, Boolean, Date, Dict, Float, Integer, List, Nested, Raw, String
from marshmallow.validate import Length, OneOf, Regexp

from schemas.as2.agreement import DISPOSITIONS

CHANNELS = ("phone", "in-person", "video")
LANGUAGE = Regexp(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}\Z")


class Health(Schema):
    """How a relation runs now. `queued` entries wait; times are null while nothing happened.

    `delivery`: `refused` while their node takes nothing from us, `stopped` until an administrator resumes it, and
    `reason` says why. `held` lines of theirs failed here and are tried again, `givenUp` are not.
    """

    delivery = String(required=True, validate=OneOf(["open", "refused", "stopped"]))
    queued = Integer(required=True)
    oldestQueuedAt = AwareDateTime(required=True, allow_none=True)  # noqa: N815
    lastSentAt = AwareDateTime(required=True, allow_none=True)  # noqa: N815
    lastReceivedAt = AwareDateTime(required=True, allow_none=True)  # noqa: N815
    failures = Integer(required=True)
    nextAttemptAt = AwareDateTime(required=True, allow_none=True)  # noqa: N815
    reason = String(required=True)
    clockSkewSeconds = Float(required=True, allow_none=True)  # noqa: N815
    disputedAt = AwareDateTime(required=True, allow_none=True)  # noqa: N815
    held = Integer(required=True)
    givenUp = Integer(required=True)  # noqa: N815


class Line(Schema):
    """A partner, or an invitation that nobody has used. `id` is the IRI of their node actor."""

    key = String(required=True)
    id = String(required=True)
    name = String(required=True)
    host = String(required=True)
    state = String(required=True)
    ourTurn = Boolean(required=True)  # noqa: N815


class Group(Schema):
    """One of the six groups; `digits` is null while it is covered."""

    number = Integer(required=True)
    digits = String(required=True, allow_none=True)
    readBy = String(required=True, validate=OneOf(["us", "them", "both"]))  # noqa: N815


class Confirmed(Schema):
    """One side's confirmation of the fingerprint."""

    by = String(required=True)
    at = AwareDateTime(required=True)
    channel = String(required=True)


class Agreement(Schema):
    """An agreement: the sentences of the page as fields, and the whole document with its digest."""

    digest = String(required=True)
    version = Integer(required=True)
    purpose = String(required=True)
    contract = String(required=True)
    spaces = List(String(), required=True)
    newSpaces = String(required=True, validate=OneOf(["by-invite", "none"]))  # noqa: N815
    onward = String(required=True, validate=OneOf(["none", "allowed"]))
    keepOurs = String(required=True)  # noqa: N815
    keepTheirs = String(required=True)  # noqa: N815
    starts = Date(required=True)
    ends = Date(required=True)
    document = Dict(required=True)


class Difference(Schema):
    """One thing that the offer says otherwise than the agreement in force. `name`: a field, or a member's path."""

    name = String(required=True)
    before = Raw(required=True, allow_none=True)
    after = Raw(required=True, allow_none=True)
    effect = String(required=True, validate=OneOf(["widens", "narrows", "changes"]))


class AgreementVersion(Agreement):
    """A version that holds or once held. `approvers`: roles that the accepting side named; nobody checks them."""

    offeredByUs = Boolean(required=True)  # noqa: N815
    approvers = List(String(), required=True)
    inForceAt = AwareDateTime(required=True)  # noqa: N815
    replacedAt = AwareDateTime(required=True, allow_none=True)  # noqa: N815


class Versions(Schema):
    """The versions of an agreement, the newest first."""

    items = List(Nested(AgreementVersion), required=True)


class Suspension(Schema):
    """One side's suspension, with its words in their language (empty when it named none)."""

    byUs = Boolean(required=True)  # noqa: N815
    at = AwareDateTime(required=True)
    reason = String(required=True)
    language = String(required=True)


class StoppedSpace(Schema):
    """A space, by its address, in which nothing passes."""

    space = String(required=True)
    byUs = Boolean(required=True)  # noqa: N815


class Stops(Schema):
    """All the spaces that we stop from now, by their addresses; an empty list frees them all."""

    spaces = List(String(validate=Length(1, 2048)), required=True, validate=Length(max=1000))


class Ending(Suspension):
    """Notice that was given `at` this time, for the end at `endsAt`."""

    endsAt = AwareDateTime(required=True)  # noqa: N815
    disposition = String(required=True, validate=OneOf(DISPOSITIONS))


class Offer(Agreement):
    """An agreement on offer. `accepted`: we have agreed, and their node has not taken that in yet."""

    accepted = Boolean(required=True)
    differences = List(Nested(Difference), required=True)
    byUs = Boolean(required=True)  # noqa: N815
    offeredAt = AwareDateTime(required=True)  # noqa: N815
    openUntil = AwareDateTime(required=True)  # noqa: N815


class Relation(Line):
    """All of one partner. `pending` says what of the handshake has not arrived there, or is empty."""

    createdAt = AwareDateTime(required=True)  # noqa: N815
    expiresAt = AwareDateTime(required=True, allow_none=True)  # noqa: N815
    purpose = String(required=True)
    contract = String(required=True)
    contact = String(required=True)
    reviewOn = Date(required=True, allow_none=True)  # noqa: N815
    groups = List(Nested(Group), required=True)
    words = List(String(), required=True)
    confirmedHere = Nested(Confirmed, required=True, allow_none=True)  # noqa: N815
    confirmedThere = Nested(Confirmed, required=True, allow_none=True)  # noqa: N815
    offer = Nested(Offer, required=True, allow_none=True)
    agreement = Nested(Agreement, required=True, allow_none=True)
    suspensions = List(Nested(Suspension), required=True)
    stoppedSpaces = List(Nested(StoppedSpace), required=True)  # noqa: N815
    ending = Nested(Ending, required=True, allow_none=True)
    endedAt = AwareDateTime(required=True, allow_none=True)  # noqa: N815
    health = Nested(Health, required=True, allow_none=True)
    note = String(required=True)
    pending = String(required=True)


class Relations(Schema):
    """Partners and open invitations, the newest first."""

    items = List(Nested(Line), required=True)


class NewInvite(Schema):
    """`host`: where alone the invitation works. `isAnother`: a look-alike of a known host was checked."""

    host = String(load_default="", validate=Length(max=253))
    purpose = String(load_default="", validate=Length(max=200))
    contract = String(load_default="", validate=Length(max=80))
    isAnother = Boolean(load_default=False)  # noqa: N815


class Invitation(Schema):
    """A link, shown this once: hand it to the administrator of the other company."""

    key = String(required=True)
    link = String(required=True)
    expiresAt = AwareDateTime(required=True)  # noqa: N815


class Acceptance(Schema):
    """A link that somebody else made."""

    link = String(required=True, validate=Length(1, 2000))


class Confirmation(Schema):
    """The two groups that the other administrator read aloud, by their numbers."""

    groups = Dict(
        keys=String(validate=OneOf(list("123456"))), values=String(validate=Length(5, 5)), required=True
    )
    channel = String(required=True, validate=OneOf(CHANNELS))


class NewOffer(Schema):
    """A charter to propose. Periods as ISO 8601; without `ends` it holds for a year."""

    purpose = String(load_default="", validate=Length(max=200))
    contract = String(load_default="", validate=Length(max=80))
    newSpaces = String(load_default="by-invite", validate=OneOf(["by-invite", "none"]))  # noqa: N815
    onward = String(load_default="none", validate=OneOf(["none", "allowed"]))
    keepOurs = String(load_default="P2Y", validate=Length(max=10))  # noqa: N815
    keepTheirs = String(load_default="P2Y", validate=Length(max=10))  # noqa: N815
    ends = Date(load_default=None, allow_none=True)


class Agree(Schema):
    """Which text one agrees to, and by whose decision: roles, kept as evidence."""

    digest = String(required=True, validate=Length(1, 64))
    approvers = List(String(validate=Length(1, 80)), load_default=list, validate=Length(max=10))


class Suspend(Schema):
    """Why, for the people of both sides, and in which language (BCP 47)."""

    reason = String(load_default="", validate=Length(max=500))
    language = String(load_default="en", validate=LANGUAGE)


class End(Schema):
    """Notice: the last day, or null for now; sooner than the notice agreed on, only with a reason."""

    on = Date(required=True, allow_none=True)
    disposition = String(required=True, validate=OneOf(DISPOSITIONS))
    reason = String(load_default="", validate=Length(max=500))
    language = String(load_default="en", validate=LANGUAGE)


class RegisterChange(Schema):
    """What our own register says of a partner."""

    contact = String(required=True, validate=Length(max=200))
    reviewOn = Date(required=True, allow_none=True)  # noqa: N815
