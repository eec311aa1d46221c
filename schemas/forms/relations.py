"""The forms of partners: invitation, fingerprint, charter, suspension, end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, post_load
from marshmallow.fields import Boolean, Date, Integer, String
from marshmallow.validate import Equal, Length, OneOf, Range

from schemas.as2.agreement import ACR, DIGEST, DISPOSITIONS, IRI, MEDIA_TYPE, WORD
from schemas.forms.identity import Form

MOST_WORDS = 3
LISTS: Mapping[str, Callable[[str], object]] = {
    "classes": Length(1, 40),
    "activity_types": WORD,
    "object_types": WORD,
    "media_types": MEDIA_TYPE,
    "sign_ins": ACR,
}
"""Fields of a charter that list words, apart by blanks or commas, with what holds each of them."""


class Invite(Form):
    domain = String(load_default="", validate=Length(max=260))
    purpose = String(load_default="", validate=Length(max=200))
    contract = String(load_default="", validate=Length(max=80))
    alike = Boolean(load_default=False)


class Accept(Form):
    link = String(required=True, validate=Length(1, 2000))


class Charter(Form):
    purpose = String(load_default="", validate=Length(max=200))
    contract = String(load_default="", validate=Length(max=80))
    new_spaces = String(load_default="by-invite", validate=OneOf(["by-invite", "none"]))
    onward = String(load_default="none", validate=OneOf(["none", "allowed"]))
    keep_ours = String(load_default="P2Y", validate=Length(max=10))
    keep_theirs = String(load_default="P2Y", validate=Length(max=10))
    ends = Date(load_default=None, allow_none=True, format="iso")
    whole = Boolean(load_default=False)
    """Whether the form had all that follows: then what is empty there says so, and is not just left as it was."""
    spaces = String()
    classes = String()
    personal = Boolean()
    activity_types = String()
    object_types = String()
    media_types = String()
    max_object_kib = Integer(validate=Range(1, 2**20))
    max_batch_kib = Integer(validate=Range(1, 2**20))
    max_file_mib = Integer(validate=Range(1, 2**20))
    sign_ins = String()
    sign_in_h = Integer(validate=Range(0, 10_000))
    own_domains = Boolean()
    leave_s = Integer(validate=Range(1, 10**6))
    receipt = String(validate=OneOf(["received", "processed"]))
    receipt_min = Integer(validate=Range(1, 10**5))
    checkpoint_h = Integer(validate=Range(1, 10**4))
    log_years = Integer(validate=Range(1, 100))
    timestamps = Boolean()
    recall_h = Integer(validate=Range(1, 10**4))
    backup_days = Integer(validate=Range(0, 10**4))
    after_end_days = Integer(validate=Range(0, 10**5))
    notice_days = Integer(validate=Range(0, 3660))
    text_url = String(validate=IRI)
    text_type = String(validate=MEDIA_TYPE)
    text_digest = String(validate=DIGEST)

    @post_load
    def _choices(self, sent: dict[str, Any], **_: object) -> dict[str, Any]:
        """As `Choices` of `node.relations` has them."""
        empty: dict[str, Any] = {"spaces": "", "media_types": "", "sign_ins": "", "sign_in_h": 0}
        empty |= {"personal": False, "own_domains": False, "timestamps": False}
        empty |= {"text_url": "", "text_type": "", "text_digest": ""}
        chosen = {**(empty if sent.pop("whole") else {}), **sent}
        chosen.pop("next", None)
        for name, each in LISTS.items():
            if name in chosen:
                chosen[name] = chosen[name].replace(",", " ").split()
                self._check(name, chosen[name], each)
        if "spaces" in chosen:
            chosen["spaces"] = [self._space(line) for line in chosen["spaces"].splitlines() if line.strip()]
        return chosen

    def _space(self, line: str) -> dict[str, str]:
        """`IRI direction class`; the direction may lack, and then the class."""
        words = line.split()
        if len(words) > MOST_WORDS:
            raise ValidationError({"spaces": ["At most an address, a direction and a class."]})
        iri, direction, label = (*words, *("", "both", "")[len(words) :])
        self._check("spaces", [iri], IRI)
        self._check("spaces", [direction], OneOf(["in", "out", "both"]))
        return {"id": iri, "direction": direction, **({"dataClass": label} if label else {})}

    def _check(self, name: str, values: Sequence[str], by: Callable[[str], object]) -> None:
        try:
            for each in values:
                by(each)
        except ValidationError as wrong:
            raise ValidationError({name: wrong.messages}) from wrong


class Agree(Form):
    digest = String(required=True, validate=Length(1, 64))
    approver = String(load_default="", validate=Length(max=80))


class Suspend(Form):
    reason = String(load_default="", validate=Length(max=500))


class End(Form):
    when = String(required=True, validate=OneOf(["on", "now"]))
    on = Date(load_default=None, allow_none=True, format="iso")
    disposition = String(required=True, validate=OneOf(DISPOSITIONS))
    reason = String(load_default="", validate=Length(max=500))
    sure = Boolean(required=True, validate=Equal(comparable=True))
