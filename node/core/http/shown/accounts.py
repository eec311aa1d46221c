"""How people of ours come in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from node.core.http.shown.people import Person
from node.core.values import value

AccountState = Literal["open", "invited", "closed"]  # invited: has not chosen a password yet


@value
class Demand:
    """What a charter asks of a sign-in, and what one's own is, in words."""

    label: str
    asked: str
    yours: str
    met: bool


@value
class Session:
    """A signed-in browser."""

    key: str
    device: str
    started: datetime
    seen: datetime
    current: bool = False


@value
class Token:
    """An API token; its secret is shown once, never kept."""

    key: str
    label: str
    scopes: Sequence[str]
    made: datetime
    used: datetime | None = None
    ends: datetime | None = None


@value
class Account:
    """A person of ours as administrators see them."""

    key: str
    person: Person
    name: str  # of the account
    role: Literal["member", "admin"]
    state: AccountState
    provider: str = ""  # label of who vouches for them; empty: a password of this node
    added: datetime | None = None
    signed_in: datetime | None = None  # last, if on record
    closed: datetime | None = None
    you: bool = False
    may_link: bool = False  # to a new password


@value
class Provider:
    """A company identity provider on the sign-in page."""

    key: str
    label: str
