"""An agreement as a partner offers it (PROTOCOL 2.a.5).

Rule: inside `scope` and `identity`, which are a fence, an unknown member is refused: who offers it believes that
it binds.
Elsewhere unknown members are kept, since both sign the digest of the whole document. Nothing is turned
into another type: the document itself goes on, this only says whether it is one.
"""

from __future__ import annotations

from typing import Any

from marshmallow import INCLUDE, RAISE, Schema, ValidationError, validates_schema
from marshmallow.fields import Boolean, Integer, List, Nested, String
from marshmallow.validate import ContainsOnly, Equal, Length, OneOf, Range, Regexp

from schemas.objections import objections as by_schema

MAX_IRI_CHARS = 2048
MAX_NAME_CHARS = 255
MAX_SPACES = 1000
DISPOSITIONS = ("purge-after-retention", "purge-now", "keep-per-law")
"""What becomes of the data when an agreement ends (PROTOCOL 2.a.7)."""

IRI = Regexp(rf"https?://[^\s\"<>\\^`{{|}}]{{1,{MAX_IRI_CHARS}}}\Z", error="An IRI of http or https.")
MOMENT = Regexp(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z", error="A UTC time, RFC 3339.")
DURATION = Regexp(
    r"(?=.{2,40}\Z)P(?=\d|T\d)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(\d+H)?(\d+M)?(\d+S)?)?\Z",
    error="An ISO 8601 duration.",
)
DIGEST = Regexp(r"z[1-9A-HJ-NP-Za-km-z]{40,60}\Z", error="A digest in multibase.")
MEDIA_TYPE = Regexp(
    r"[a-z0-9!#$&^_.+-]{1,127}/(\*|[a-z0-9!#$&^_.+-]{1,127})\Z", error="A media type, or a family."
)
ACR = Regexp(r"[!-~]{1,100}\Z", error="A value of `acr`, without blanks.")
WORD = Regexp(r"[A-Za-z][A-Za-z0-9]{0,63}\Z", error="The name of a type.")


def _iri(data_key: str | None = None) -> String:
    return String(required=True, data_key=data_key, validate=IRI)


def _size() -> Integer:
    return Integer(strict=True, validate=Range(1, 2**40))


class Party(Schema):
    """One side."""

    class Meta:
        unknown = INCLUDE

    node = _iri()
    legalName = String(required=True, validate=Length(1, MAX_NAME_CHARS))  # noqa: N815 - the wire's word
    role = String(required=True, validate=OneOf(["host", "partner"]))
    domains = List(String(validate=Length(1, 253)), required=True, validate=Length(max=100))
    oidcIssuer = _iri()  # noqa: N815
    keys = List(
        String(validate=Regexp(r"z6Mk[1-9A-HJ-NP-Za-km-z]{44}\Z")), required=True, validate=Length(1, 4)
    )
    stream = _iri()
    contact = String(required=True, validate=Length(max=MAX_IRI_CHARS))
    retention = String(validate=DURATION)  # how long this side keeps what its data class lets it keep longer


class SpaceInScope(Schema):
    """One space that the agreement names."""

    class Meta:
        unknown = RAISE

    id = _iri()
    direction = String(validate=OneOf(["in", "out", "both"]))
    replica = String(validate=OneOf(["full"]))
    dataClass = String(validate=Length(1, 40))  # noqa: N815 - the highest that may be said here


class DataClass(Schema):
    """How long one class is kept. The list of them ascends."""

    class Meta:
        unknown = RAISE

    class_ = String(required=True, data_key="class", validate=Length(1, 40))
    personalData = Boolean(required=True, truthy={True}, falsy={False})  # noqa: N815
    retention = String(required=True, validate=DURATION)
    afterEnd = String(required=True, validate=DURATION)  # noqa: N815


class Scope(Schema):
    """What may pass."""

    class Meta:
        unknown = RAISE

    spaces = List(Nested(SpaceInScope), required=True, validate=Length(max=MAX_SPACES))
    allowNewSpaces = String(required=True, validate=OneOf(["none", "by-invite"]))  # noqa: N815
    activityTypes = List(String(validate=WORD), required=True, validate=Length(1, 50))  # noqa: N815
    objectTypes = List(String(validate=WORD), required=True, validate=Length(1, 50))  # noqa: N815
    dataClasses = List(Nested(DataClass), required=True, validate=Length(max=20))  # noqa: N815
    maxObjectBytes = _size()  # noqa: N815
    maxBatchBytes = _size()  # noqa: N815
    maxFileBytes = _size()  # noqa: N815
    mediaTypes = List(String(validate=MEDIA_TYPE), validate=Length(1, 100))  # noqa: N815
    onwardTransfer = String(required=True, validate=OneOf(["none", "allowed"]))  # noqa: N815
    publicAddressing = String(required=True, validate=OneOf(["forbidden", "allowed"]))  # noqa: N815

    @validates_schema
    def _names_each_once(self, scope: dict[str, Any], **_: object) -> None:
        classes = [each["class_"] for each in scope["dataClasses"]]
        spaces = [each["id"] for each in scope["spaces"]]
        for field, names in (("dataClasses", classes), ("spaces", spaces)):
            if len(set(names)) != len(names):
                raise ValidationError("One stands twice.", field)
        if not {each["dataClass"] for each in scope["spaces"] if "dataClass" in each} <= set(classes):
            raise ValidationError("The class of a space is one of `dataClasses`.", "spaces")


class Identity(Schema):
    """How people must have signed in."""

    class Meta:
        unknown = RAISE

    minAcr = List(String(validate=ACR), required=True, validate=Length(max=20))  # noqa: N815
    maxAuthAge = Integer(strict=True, required=True, allow_none=True, validate=Range(1))  # noqa: N815
    emailDomains = String(required=True, validate=OneOf(["none", "declared-only", "any"]))  # noqa: N815
    offboardingSeconds = Integer(strict=True, required=True, validate=Range(1))  # noqa: N815


class Evidence(Schema):
    """What is signed and kept."""

    class Meta:
        unknown = INCLUDE

    originProof = String(required=True, validate=OneOf(["required"]))  # noqa: N815
    receipt = String(required=True, validate=OneOf(["received", "processed"]))
    receiptSeconds = Integer(strict=True, required=True, validate=Range(1))  # noqa: N815
    checkpoint = String(required=True, validate=DURATION)
    logRetention = String(required=True, validate=DURATION)  # noqa: N815
    timestamping = String(required=True, validate=OneOf(["none", "optional-rfc3161"]))


class Recall(Schema):
    """How fast what is taken back goes."""

    class Meta:
        unknown = INCLUDE

    applySeconds = Integer(strict=True, required=True, validate=Range(1))  # noqa: N815
    backups = String(required=True, validate=DURATION)
    legalHold = String(required=True, validate=OneOf(["allowed-with-notice"]))  # noqa: N815


class Terms(Schema):
    """What people agreed beside it; a text of theirs by address and digest, so that it cannot change unseen."""

    class Meta:
        unknown = INCLUDE

    notice = String(required=True, validate=DURATION)
    purpose = String(validate=Length(max=200))
    contract = String(validate=Length(max=80))
    url = String(validate=IRI)
    mediaType = String(validate=MEDIA_TYPE)  # noqa: N815
    digestMultibase = String(validate=DIGEST)  # noqa: N815

    @validates_schema
    def _pins_its_text(self, terms: dict[str, object], **_: object) -> None:
        if "url" in terms and "digestMultibase" not in terms:
            raise ValidationError("A text is named with its digest.", "digestMultibase")


class Agreement(Schema):
    """The whole document."""

    class Meta:
        unknown = INCLUDE

    id = _iri()
    type = List(
        String(),
        required=True,
        validate=ContainsOnly(["Relationship", "PeeringAgreement"]),
    )
    subject = _iri()
    relationship = String(required=True, validate=Equal("https://w3id.org/parvis/v1#peersWith"))
    other = _iri("object")
    version = Integer(strict=True, required=True, validate=Range(1))
    lineage = _iri()
    previousVersion = String(required=True, allow_none=True, validate=DIGEST)  # noqa: N815
    startTime = String(required=True, validate=MOMENT)  # noqa: N815
    endTime = String(required=True, validate=MOMENT)  # noqa: N815
    parties = List(Nested(Party), required=True, validate=Length(equal=2))
    scope = Nested(Scope, required=True)
    identity = Nested(Identity, required=True)
    evidence = Nested(Evidence, required=True)
    recall = Nested(Recall, required=True)
    terms = Nested(Terms, required=True)

    @validates_schema
    def _is_of_two_for_a_time(self, agreement: dict[str, object], **_: object) -> None:
        parties = agreement["parties"]
        assert isinstance(parties, list)  # noqa: S101 -- narrows the type
        if {each["node"] for each in parties} != {agreement["subject"], agreement["other"]}:
            raise ValidationError("The parties are subject and object.", "parties")
        if str(agreement["endTime"]) <= str(agreement["startTime"]):
            raise ValidationError("It ends before it begins.", "endTime")


_agreement = Agreement()


def objections(document: dict[str, object]) -> str:
    """What is wrong with `document` as an agreement, in one sentence; "" when nothing is."""
    return by_schema(_agreement, document)
