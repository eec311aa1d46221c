"""The forms of the door and of one's own account."""

from __future__ import annotations

from marshmallow import EXCLUDE, Schema, pre_load
from marshmallow.fields import Boolean, DateTime, Integer, List, String
from marshmallow.validate import Length, OneOf, Range, Regexp

MAX_PASSWORD_CHARS = 256


class Form(Schema):
    """What every form of a page has in common: a token that was checked before, and perhaps a way on."""

    class Meta:
        unknown = EXCLUDE

    next = String(load_default="/")


class SignIn(Form):
    name = String(required=True, validate=Length(1, 120))
    password = String(required=True, validate=Length(1, MAX_PASSWORD_CHARS))


class FirstAdmin(Form):
    display_name = String(required=True, validate=Length(1, 120))
    name = String(required=True, validate=Regexp(r"[a-z0-9][a-z0-9._-]{0,31}\Z"))
    password = String(required=True, validate=Length(1, MAX_PASSWORD_CHARS))


class NewPerson(Form):
    way = String(load_default="", validate=Length(max=64))  # name of a provider; empty: a password here
    name = String(required=True, validate=Length(1, 120))
    account = String(load_default="", validate=Regexp(r"([a-z0-9][a-z0-9._-]{0,31})?\Z"))
    subject = String(load_default="", validate=Length(max=255))
    role = String(load_default="member", validate=OneOf(["member", "admin"]))


class RoleOf(Form):
    role = String(required=True, validate=OneOf(["member", "admin"]))


class NewPassword(Form):
    password = String(required=True, validate=Length(1, MAX_PASSWORD_CHARS))


class Preferences(Form):
    language = String(validate=OneOf(["en", "fr"]))
    theme = String(validate=OneOf(["", "light", "dark"]))
    shortcuts = Boolean()
    shortcuts_asked = Boolean(load_default=False)


class Again(Form):
    """What a charter asks of a sign-in (RFC 9470), and the password of a built-in account."""

    next = String(load_default="")
    acr_values = String(load_default="", validate=Length(max=2100))
    max_age = Integer(load_default=None, allow_none=True, validate=Range(1))
    password = String(load_default="")


class NewToken(Form):
    label = String(required=True, validate=Length(1, 80))
    scopes = List(String(), required=True, validate=Length(min=1))
    days = Integer(load_default=90, validate=Range(1, 366))


class Compromised(Form):
    since = DateTime(load_default=None, allow_none=True, format="%Y-%m-%dT%H:%M")  # UTC; empty means now

    @pre_load
    def _empty_is_absent(self, sent: dict[str, str], **_: object) -> dict[str, str]:
        return {name: value for name, value in sent.items() if value}
