"""The forms of partners: invitation, fingerprint, charter, suspension, end."""

from __future__ import annotations

from marshmallow.fields import Boolean, Date, String
from marshmallow.validate import Equal, Length, OneOf

from schemas.as2.agreement import DISPOSITIONS
from schemas.forms.identity import Form


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
